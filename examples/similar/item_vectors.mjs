// Vectors of items by random indexing (Kanerva, Kristofersson and Holst 2000): each user has a fixed random direction, and
// an item's vector is the sum of those of the users who like it. So items that the same users like point the same way.
// It reads likes.ndjson and writes vectors.ndjson; where it works, it is alone. No package is needed.
import { createHash } from "node:crypto";
import { appendFileSync, createReadStream, writeFileSync } from "node:fs";
import { createInterface } from "node:readline";

const DIMENSIONS = 64;

function direction(user) {
  const bits = createHash("sha256").update(user).digest();
  return Array.from({ length: DIMENSIONS }, (_, at) => ((bits[at >> 3] >> (at & 7)) & 1 ? 1 : -1));
}

const users = new Map();
const items = new Map();
let likes = 0;
for await (const line of createInterface({ input: createReadStream("likes.ndjson") })) {
  const { user, item } = JSON.parse(line);
  if (!users.has(user)) users.set(user, direction(user));
  const vector = items.get(item) ?? new Array(DIMENSIONS).fill(0);
  users.get(user).forEach((value, at) => (vector[at] += value));
  items.set(item, vector);
  likes += 1;
}
const rows = [...items].filter(([, vector]) => vector.some((value) => value !== 0));
writeFileSync("vectors.ndjson", rows.map(([key, vector]) => JSON.stringify({ key, vector }) + "\n").join(""));
console.log(`${likes} likes of ${users.size} users: ${rows.length} vectors`);

// What it tells of itself, by Dagster Pipes: one JSON document a line.
const metadata = { likes: { raw_value: likes, type: "int" }, users: { raw_value: users.size, type: "int" } };
const message = { __dagster_pipes_version: "0.1", method: "report_asset_materialization", params: { asset_key: null, metadata, data_version: null } };
appendFileSync(process.env.MILLRACE_JOB_MESSAGES, JSON.stringify(message) + "\n");
