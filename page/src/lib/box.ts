/** Boxes drawn on photos, as parts of their sides. */

import type { Box } from "./types";

const LEAST = 0.02;

const within = (value: number): number => Math.min(1, Math.max(0, value));

/** The box between two corners in any order; null where it is a click and no box. */
export function between(x1: number, y1: number, x2: number, y2: number): Box | null {
  const box: Box = [
    within(Math.min(x1, x2)),
    within(Math.min(y1, y2)),
    within(Math.max(x1, x2)),
    within(Math.max(y1, y2)),
  ];
  return box[2] - box[0] < LEAST || box[3] - box[1] < LEAST ? null : box;
}

/** As the API takes it: in percent, so that it does not depend on how a browser decodes. */
export function percents(box: Box | null): string {
  return box === null ? "" : box.map((edge) => `${+(100 * edge).toFixed(2)}%`).join(",");
}

/**
 * The box after an arrow key: moved, or with shift grown and shrunk at its lower right corner.
 * The first key makes the middle half.
 */
export function moved(box: Box | null, key: string, shift: boolean, step = 0.03): Box | null {
  const dx = key === "ArrowRight" ? step : key === "ArrowLeft" ? -step : 0;
  const dy = key === "ArrowDown" ? step : key === "ArrowUp" ? -step : 0;
  if (dx === 0 && dy === 0) return box;
  if (box === null) return [0.25, 0.25, 0.75, 0.75];
  const [x1, y1, x2, y2] = box;
  if (shift) return between(x1, y1, Math.max(x1 + LEAST, x2 + dx), Math.max(y1 + LEAST, y2 + dy)) ?? box;
  const sx = Math.min(1 - x2, Math.max(-x1, dx));
  const sy = Math.min(1 - y2, Math.max(-y1, dy));
  return [x1 + sx, y1 + sy, x2 + sx, y2 + sy];
}

/** In words, for who does not see it. */
export function spoken(box: Box | null): string {
  if (box === null) return "the whole photo";
  const [left, top, right, bottom] = box.map((edge) => Math.round(100 * edge));
  return `from ${left} to ${right} percent across, ${top} to ${bottom} percent down`;
}
