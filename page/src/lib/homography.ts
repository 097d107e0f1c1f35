/** Plane maps between two photos, in parts of their sides, and as CSS takes them. */

import type { Homography } from "./types";

type Nine = [number, number, number, number, number, number, number, number, number];

const nine = (h: Homography): Nine => h.flat() as Nine;

/** Where a point goes; null at or beyond the horizon. */
export function mapPoint(h: Homography, x: number, y: number): [number, number] | null {
  const [a, b, c, d, e, f, g, i, j] = nine(h);
  const depth = g * x + i * y + j;
  const sign = Math.sign(j) || 1;
  if (depth * sign <= 1e-9) return null;
  return [(a * x + b * y + c) / depth, (d * x + e * y + f) / depth];
}

/** The map back; null where there is none. */
export function inverse(h: Homography): Homography | null {
  const [a, b, c, d, e, f, g, i, j] = nine(h);
  const [p, q, r] = [e * j - f * i, f * g - d * j, d * i - e * g];
  const determinant = a * p + b * q + c * r;
  if (!Number.isFinite(determinant) || Math.abs(determinant) < 1e-12) return null;
  return [
    [p, c * i - b * j, b * f - c * e].map((n) => n / determinant),
    [q, a * j - c * g, c * d - a * f].map((n) => n / determinant),
    [r, b * g - a * i, a * e - b * d].map((n) => n / determinant),
  ] as Homography;
}

/** Whether one photo may be laid over the other: all corners in front, no larger than 40 of it. */
export function layable(h: Homography): boolean {
  const corners = [[0, 0], [1, 0], [1, 1], [0, 1]].map(([x, y]) => mapPoint(h, x!, y!));
  let twice = 0;
  for (let n = 0; n < 4; n++) {
    const [one, next] = [corners[n], corners[(n + 1) % 4]];
    if (!one || !next) return false;
    twice += one[0] * next[1] - one[1] * next[0];
  }
  const area = Math.abs(twice) / 2;
  return Number.isFinite(area) && area > 1 / 400 && area < 400;
}

/**
 * A `matrix3d` that lays an element of one size over one of another; its origin is at 0 0.
 * @param h from parts of the first to parts of the second
 */
export function matrix3d(
  h: Homography,
  [width, height]: [number, number],
  [wide, high]: [number, number],
): string {
  const [a, b, c, d, e, f, g, i, j] = nine(h);
  const columns = [
    [(a * wide) / width, (d * high) / width, 0, g / width],
    [(b * wide) / height, (e * high) / height, 0, i / height],
    [0, 0, 1, 0],
    [c * wide, f * high, 0, j],
  ];
  const scale = j === 0 ? 1 : 1 / j;
  const numbers = columns.flatMap((column, n) =>
    column.map((value) => (n === 2 ? value : value * scale)),
  );
  return `matrix3d(${numbers.map((value) => +value.toPrecision(10)).join(",")})`;
}
