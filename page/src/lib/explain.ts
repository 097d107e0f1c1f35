/** Which parts of a photo a similarity comes from, as colours and in words. */

import type { Contributions } from "./types";

/** The greatest contribution of either photo, in size; 1 where all are 0. */
export function greatest(...maps: Contributions[]): number {
  const sizes = maps.flatMap((map) => map.values.map(Math.abs));
  return sizes.reduce((one, other) => Math.max(one, other), 0) || 1;
}

/** Amber where a part speaks for the match, blue where it speaks against, clear where neither. */
export function tint(values: number[], most: number, pixels: Uint8ClampedArray): void {
  values.forEach((value, n) => {
    const strength = Math.min(1, Math.abs(value) / most);
    const [red, green, blue] = value >= 0 ? [255, 160, 0] : [40, 110, 255];
    pixels[4 * n] = red!;
    pixels[4 * n + 1] = green!;
    pixels[4 * n + 2] = blue!;
    pixels[4 * n + 3] = 255 * 0.8 * Math.sqrt(strength);
  });
}

/** The smallest part of the photo from which half of the similarity comes, 0 to 1; null if none. */
export function half(map: Contributions): number | null {
  const total = map.values.reduce((sum, value) => sum + value, 0);
  if (total <= 0) return null;
  const falling = [...map.values].sort((one, other) => other - one);
  let sum = 0;
  for (let n = 0; n < falling.length; n++) {
    sum += falling[n]!;
    if (sum >= total / 2) return (n + 1) / falling.length;
  }
  return null;
}
