/** Second-order attention of every position of a photo, kept in one piece and drawn as a light. */

export interface Maps {
  h: number;
  w: number;
  /** h*w rows of h*w: to what each position attends, each row of 255 at most. */
  rows: Uint8Array;
}

/** Read what the API sends: two little-endian uint16, then the rows. */
export function parseMaps(buffer: ArrayBuffer): Maps {
  const view = new DataView(buffer);
  const [h, w] = [view.getUint16(0, true), view.getUint16(2, true)];
  const rows = new Uint8Array(buffer, 4);
  if (h === 0 || w === 0 || rows.length !== (h * w) ** 2)
    throw new Error(`${rows.length} bytes are no attention maps of ${h} × ${w} positions`);
  return { h, w, rows };
}

/**
 * The map of a point between positions, blended from the four around it so that it flows.
 * @param x of the point, as a part of the photo's width; y likewise
 * @param out h*w values of 0 to 1
 */
export function mapAt(maps: Maps, x: number, y: number, out: Float32Array): void {
  const { h, w, rows } = maps;
  const column = Math.min(w - 1, Math.max(0, x * w - 0.5));
  const row = Math.min(h - 1, Math.max(0, y * h - 0.5));
  const [left, top] = [Math.floor(column), Math.floor(row)];
  const [right, bottom] = [Math.min(w - 1, left + 1), Math.min(h - 1, top + 1)];
  const [dx, dy] = [column - left, row - top];
  const size = h * w;
  out.fill(0);
  for (const [cy, cx, weight] of [
    [top, left, (1 - dy) * (1 - dx)],
    [top, right, (1 - dy) * dx],
    [bottom, left, dy * (1 - dx)],
    [bottom, right, dy * dx],
  ] as const) {
    if (weight === 0) continue;
    const start = (cy * w + cx) * size;
    const share = weight / 255;
    for (let i = 0; i < size; i++) out[i] = (out[i] ?? 0) + share * (rows[start + i] ?? 0);
  }
}

/** A light on what is attended to most; what is least attended to lies in the dark. */
export function light(values: Float32Array, pixels: Uint8ClampedArray): void {
  const [least, most] = [Math.min(...values), Math.max(...values)];
  const range = most - least || 1;
  for (let i = 0; i < values.length; i++) {
    const value = ((values[i] ?? 0) - least) / range;
    const warm = Math.max(0, value - 0.35) / 0.65;
    pixels[4 * i] = 255 * warm;
    pixels[4 * i + 1] = 170 * warm;
    pixels[4 * i + 2] = 20 * warm;
    // Dark where there is none, clear in between, amber where it is strongest.
    pixels[4 * i + 3] = 255 * (value < 0.35 ? 0.78 * (1 - value / 0.35) : 0.45 * warm);
  }
}
