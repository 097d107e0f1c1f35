import { expect, test } from "vitest";
import { light, mapAt, parseMaps } from "../src/lib/attention";

/** Maps in which position n attends to itself alone. */
function identity(h: number, w: number): ArrayBuffer {
  const size = h * w;
  const bytes = new Uint8Array(4 + size * size);
  new DataView(bytes.buffer).setUint16(0, h, true);
  new DataView(bytes.buffer).setUint16(2, w, true);
  for (let n = 0; n < size; n++) bytes[4 + n * size + n] = 255;
  return bytes.buffer;
}

test("maps are read as they are sent, and refused where their size is another", () => {
  const maps = parseMaps(identity(2, 3));
  expect([maps.h, maps.w, maps.rows.length]).toEqual([2, 3, 36]);
  expect(() => parseMaps(identity(2, 3).slice(0, -1))).toThrow("35 bytes");
  expect(() => parseMaps(new ArrayBuffer(4))).toThrow();
});

test("the map of a position's middle is its own row", () => {
  const maps = parseMaps(identity(2, 3));
  const out = new Float32Array(6);
  mapAt(maps, 2.5 / 3, 1.5 / 2, out);
  expect([...out]).toEqual([0, 0, 0, 0, 0, 1]);
});

test("between positions maps are blended, and sum to what one has", () => {
  const maps = parseMaps(identity(3, 4));
  const out = new Float32Array(12);
  for (const [x, y] of [[0, 0], [1, 1], [0.5, 0.5], [0.31, 0.77], [-4, 9]] as const) {
    mapAt(maps, x, y, out);
    expect(out.reduce((sum, value) => sum + value, 0)).toBeCloseTo(1, 5);
  }
  mapAt(maps, 0.5, 0.5, out);
  expect([...out].map((value) => +value.toFixed(3))).toEqual([0, 0, 0, 0, 0, 0.5, 0.5, 0, 0, 0, 0, 0]);
});

test("what is not attended to lies in the dark, what is most in amber", () => {
  const pixels = new Uint8ClampedArray(12);
  light(new Float32Array([0, 0.35, 1]), pixels);
  expect(pixels[3]).toBeGreaterThan(150);
  expect(pixels[7]).toBe(0);
  expect(pixels[8]).toBe(255);
  expect(pixels[11]).toBeGreaterThan(80);
});
