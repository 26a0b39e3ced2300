// Storages in Redis, read and loaded by what docs/formats.md says, and by nothing else.
import { randomBytes } from "node:crypto";
import { hostname } from "node:os";
import { crc32 } from "node:zlib";

const STORAGES = "mr:{catalogue}:storages", ALIASES = "mr:{catalogue}:aliases";
const parsed = (text) => (text === null ? null : JSON.parse(text.toString("utf8")));
const codePoints = (one, other) => Buffer.compare(Buffer.from(one), Buffer.from(other));

// ---- reading

export async function find(redis, storage) {
  const alias = parsed(await redis.ask("HGET", ALIASES, storage));
  return alias === null ? null : parsed(await redis.ask("HGET", STORAGES, `${storage}@${alias.version}`));
}

const tag = ({ writer, generation }) => `${writer.replace(/@[^@]*$/, "")}@${generation}`;
const hash = (item) => `mr:{${tag(item)}}:generation`;
const state = (item) => `mr:{${tag(item)}}:storage:${item.format}/${item.name}`;
const place = (item, shard) => `mr:{${tag(item)}${shard ? `:${shard}` : ""}}:${item.format}/${item.name}`;

// Where the rows under a key are: on a cluster a generation may be in several slots.
async function rowsOf(redis, item, key) {
  const shards = Number((await redis.ask("HGET", hash(item), "shards")) ?? 1);
  return place(item, crc32(Buffer.from(key, "utf8")) % shards);
}

export async function counters(redis, item, key) {
  const found = await redis.ask("HGETALL", `${await rowsOf(redis, item, key)}::${key}`), fields = {};
  for (let at = 0; at < found.length; at += 2) fields[found[at].toString("utf8")] = Number(found[at + 1]);
  return fields;
}

export async function vector(redis, item, key) {
  const row = await redis.ask("HGET", await rowsOf(redis, item, key), key);
  return row === null ? null : Array.from({ length: item.options.dimensions }, (_, at) => row.readFloatLE(4 * at));
}

export async function record(redis, item, key) {
  const row = await redis.ask("HGET", await rowsOf(redis, item, key), key);
  return row === null ? null : avro(item.schema, { row, at: 0 });
}

export async function top(redis, item, key, size) {
  const rows = await rowsOf(redis, item, key), halfLife = item.options.half_life_ms;
  let parts = [[`${rows}::${key}`, 1]];
  if (halfLife) {
    const [newest, time] = (await redis.ask("HMGET", state(item), "bucket", "at")).map(Number);
    parts = [newest, newest - 1].map((b) => [`${rows}:${b}:${key}`, 2 ** ((b * 32 * halfLife - time) / halfLife)]);
  }
  const scores = new Map();
  for (const [row, scale] of parts) {
    const found = await redis.ask("ZRANGE", row, 0, -1, "WITHSCORES");
    for (let at = 0; at < found.length; at += 2) {
      const member = found[at].toString("utf8");
      scores.set(member, (scores.get(member) ?? 0) + (0 - Number(found[at + 1])) * scale);
    }
  }
  return [...scores].sort((one, other) => other[1] - one[1] || codePoints(one[0], other[0])).slice(0, size);
}

// A value of an Avro schema: what our records have, and no more.
function avro(schema, from) {
  const kind = schema.type ?? schema;
  if (Array.isArray(schema)) return avro(schema[long(from)], from);
  if (typeof kind === "object") return avro(kind, from);
  switch (kind) {
    case "record": return Object.fromEntries(schema.fields.map((field) => [field.name, avro(field.type, from)]));
    case "array": {
      const items = [];
      for (let count = long(from); count !== 0; count = long(from)) {
        if (count < 0) { count = -count; long(from); } // and the block's length in bytes
        while (count-- > 0) items.push(avro(schema.items, from));
      }
      return items;
    }
    case "string": { const size = long(from); return from.row.toString("utf8", from.at, (from.at += size)); }
    case "double": return from.row.readDoubleLE((from.at += 8) - 8);
    case "boolean": return from.row[from.at++] === 1;
    case "null": return null;
    case "int": case "long": return long(from);
    default: throw new Error(`no reader for ${kind}`);
  }
}

function long(from) {
  let value = 0n, shift = 0n, byte;
  do { byte = from.row[from.at++]; value |= BigInt(byte & 127) << shift; shift += 7n; } while (byte & 128);
  return Number((value >> 1n) ^ -(value & 1n));
}

// ---- loading

export async function load(redis, storage, options, write) {
  let item = await declared(redis, storage, options);
  await redis.ask("HSETNX", hash(item), "shards", 1);
  await redis.ask("HSET", state(item), "rows", await write(place(item, 0)));
  const beat = await replaced(redis, STORAGES, `${storage}@${item.version}`, item, { ...item, alive_ms: Date.now() });
  item = await replaced(redis, STORAGES, `${storage}@${item.version}`, beat, { ...beat, state: "ready", alive_ms: null });
  const alias = parsed(await redis.ask("HGET", ALIASES, storage));
  const version = item.version, newest = Math.max(alias?.newest ?? version, version);
  await replaced(redis, ALIASES, storage, alias, { version, newest, previous: alias?.version ?? null, since_ms: Date.now() });
  return item;
}

async function declared(redis, storage, options) {
  const [format, name] = storage.split("/");
  for (;;) {
    const fields = (await redis.ask("HKEYS", STORAGES)).map((field) => field.toString("utf8").split("@"));
    const version = 1 + Math.max(0, ...fields.filter(([place]) => place === storage).map(([, number]) => Number(number)));
    const item = {
      technology: "redis", format, name, version, writer: `load_${format}_${name}@${version}`,
      generation: randomBytes(6).readUIntBE(0, 6), topic: "", options, schema: null, created: new Date().toISOString(),
      state: "filling", made_by: `node@${hostname()}`, alive_ms: Date.now(),
    };
    if (await redis.ask("HSETNX", STORAGES, `${storage}@${version}`, JSON.stringify(item))) return item;
  }
}

// One field of a hash, from what it was to what it is to be: nothing happens if somebody else has changed it.
async function replaced(redis, key, field, before, after) {
  await redis.ask("WATCH", key);
  const found = parsed(await redis.ask("HGET", key, field));
  if (JSON.stringify(found) !== JSON.stringify(before)) { await redis.ask("UNWATCH"); throw new Error(`${field} has changed`); }
  await redis.ask("MULTI");
  await redis.ask("HSET", key, field, JSON.stringify(after));
  if ((await redis.ask("EXEC")) === null) return replaced(redis, key, field, before, after);
  return after;
}

export async function ranked(redis, rows, scores) {
  let count = 0;
  for (const [key, members] of Object.entries(scores)) {
    const flat = Object.entries(members).flatMap(([member, score]) => [0 - score, member]);
    count += await redis.ask("ZADD", `${rows}::${key}`, ...flat);
  }
  return count;
}

export async function embedded(redis, rows, vectors) {
  const flat = Object.entries(vectors).flatMap(([key, numbers]) => {
    const row = Buffer.alloc(4 * numbers.length);
    numbers.forEach((number, at) => row.writeFloatLE(number, 4 * at));
    return [key, row];
  });
  return redis.ask("HSET", rows, ...flat);
}
