// Redis over a plain socket (RESP2): commands in, replies out, in order. Texts are sent in UTF-8, replies are bytes.
import { createConnection } from "node:net";

export class Connection {
  #socket; #waiting = []; #data = Buffer.alloc(0);

  constructor(url) {
    const { hostname, port } = new URL(url);
    this.#socket = createConnection({ host: hostname, port: Number(port) });
    this.#socket.on("data", (data) => this.#take(data));
    this.#socket.on("error", (error) => this.#waiting.splice(0).forEach(({ reject }) => reject(error)));
  }

  ask(...parts) {
    const bytes = parts.map((part) => (Buffer.isBuffer(part) ? part : Buffer.from(String(part))));
    this.#socket.write(`*${bytes.length}\r\n`);
    for (const part of bytes) this.#socket.write(Buffer.concat([Buffer.from(`$${part.length}\r\n`), part, Buffer.from("\r\n")]));
    return new Promise((resolve, reject) => this.#waiting.push({ resolve, reject }));
  }

  close() { this.#socket.end(); }

  #take(data) {
    this.#data = Buffer.concat([this.#data, data]);
    for (let found; (found = reply(this.#data, 0)); ) {
      const { resolve, reject } = this.#waiting.shift();
      this.#data = this.#data.subarray(found.end);
      if (found.value instanceof Error) reject(found.value); else resolve(found.value);
    }
  }
}

// The reply that begins at a place, and where it ends; nothing if it is not all there yet.
function reply(data, start) {
  const line = data.indexOf("\r\n", start);
  if (line < 0) return undefined;
  const text = data.toString("utf8", start + 1, line), kind = String.fromCharCode(data[start]);
  let end = line + 2;
  if (kind === "+") return { value: text, end };
  if (kind === "-") return { value: new Error(text), end };
  if (kind === ":") return { value: Number(text), end };
  const size = Number(text);
  if (size < 0) return { value: null, end };
  if (kind === "$") return data.length < end + size + 2 ? undefined : { value: data.subarray(end, end + size), end: end + size + 2 };
  const value = [];
  for (let item = 0; item < size; item += 1) {
    const found = reply(data, end);
    if (!found) return undefined;
    value.push(found.value);
    end = found.end;
  }
  return { value, end };
}
