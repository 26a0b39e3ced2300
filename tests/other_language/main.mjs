// node main.mjs URL: does what is asked for on standard input, a list of [verb, storage, ...], and prints the answers as JSON.
import { readFileSync } from "node:fs";
import { Cluster } from "./cluster.mjs";
import { Connection } from "./connection.mjs";
import { counters, embedded, find, load, ranked, record, top, vector } from "./storage.mjs";

const url = process.argv[2], redis = new (url.startsWith("redis+cluster:") ? Cluster : Connection)(url);
const read = (reader) => async (storage, ...rest) => reader(redis, await find(redis, storage), ...rest);
const verbs = {
  counters: read(counters),
  record: read(record),
  top: read(top),
  vector: read(vector),
  load_ranking: (storage, scores) =>
    load(redis, storage, { half_life_ms: null, size: null }, (rows) => ranked(redis, rows, scores)),
  load_vectors: (storage, options, vectors) => load(redis, storage, options, (rows) => embedded(redis, rows, vectors)),
};
const answers = [];
for (const [verb, ...rest] of JSON.parse(readFileSync(0, "utf8"))) answers.push(await verbs[verb](...rest));
process.stdout.write(JSON.stringify(answers));
redis.close();
