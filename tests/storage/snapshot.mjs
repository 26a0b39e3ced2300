// Reads a snapshot of parameters from standard input, by what docs/formats.md says, and prints what it holds as JSON.
import { readFileSync } from "node:fs";
import * as zlib from "node:zlib";

const row = readFileSync(0);
let at = 0;
const taken = (count) => row.subarray((at += count) - count, at);
const u8 = () => taken(1).readUInt8();
const u16 = () => taken(2).readUInt16LE();
const u32 = () => taken(4).readUInt32LE();
const u64 = () => Number(taken(8).readBigUInt64LE());
const i64 = () => Number(taken(8).readBigInt64LE());
const f64 = () => taken(8).readDoubleLE();
const text = () => taken(u32()).toString("utf8");
const times = (count, read) => Array.from({ length: count }, read);
const refuse = (problem) => { throw new Error(problem); };

const items = {
  "|b1": () => u8() !== 0, "|i1": () => taken(1).readInt8(), "|u1": u8, "<i2": () => taken(2).readInt16LE(), "<u2": u16,
  "<i4": () => taken(4).readInt32LE(), "<u4": u32, "<i8": i64, "<u8": u64, "<f4": () => taken(4).readFloatLE(), "<f8": f64,
};

function array() {
  const type = taken(u8()).toString("ascii"), columns = u8() === 1;
  const shape = times(u8(), u64);
  const count = shape.reduce((product, size) => product * size, 1);
  return { shape, columns, items: times(count, items[type] ?? (() => refuse(`type ${type}`))) };
}

function numbersByKey() {
  u8(); // the maker is Python's own affair
  const keyKind = u8(), numberKind = u8(), count = u32();
  const lengths = keyKind === 4 ? times(count, u32) : [];
  const keys = keyKind === 4 ? lengths.map((length) => taken(length).toString("utf8")) : times(count, keyKind === 1 ? u8 : i64);
  const numbers = times(count, numberKind === 2 ? i64 : f64);
  return keys.map((key, place) => [key, numbers[place]]);
}

const scalars = [() => null, () => u8() === 1, i64, f64, text];
const kinds = [...scalars, array, numbersByKey, () => times(u32(), () => scalars[u8()]())];

if (taken(4).toString("ascii") !== "MRPS") refuse("no snapshot");
if (u16() !== 1) refuse("another layout");
u16();
const length = u64(), checksum = u32();
if (row.length - at !== length) refuse("another length");
if (zlib.crc32 && zlib.crc32(row.subarray(at)) !== checksum) refuse("another checksum");
const examples = u64();
const values = times(u32(), () => {
  const path = text(), flags = u8(), kind = u8();
  return { path, asMade: (flags & 1) === 1, kind, value: kinds[kind]() };
});
if (at !== row.length) refuse("something follows");
process.stdout.write(JSON.stringify({ examples, values }));
