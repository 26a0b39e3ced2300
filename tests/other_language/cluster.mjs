// A Redis Cluster: each command goes to the node that has its key, which any other node says; those without a key follow the last.
import { Connection } from "./connection.mjs";

export class Cluster {
  #nodes = new Map(); #last;

  constructor(url) {
    const [node] = url.replace("redis+cluster://", "").split(",");
    this.#last = this.#node(node);
  }

  async ask(...parts) {
    for (;;) {
      try {
        return await this.#last.ask(...parts);
      } catch (error) {
        const moved = /^MOVED \d+ (\S+)$/.exec(error.message);
        if (!moved) throw error;
        this.#last = this.#node(moved[1]);
      }
    }
  }

  close() { for (const node of this.#nodes.values()) node.close(); }

  #node(address) {
    if (!this.#nodes.has(address)) this.#nodes.set(address, new Connection(`redis://${address}`));
    return this.#nodes.get(address);
  }
}
