/** The plane of the map: what is where on the screen, and which photos have room for a picture. */

/** x and y in the middle of the screen, in parts of the map; pixels for all of it. */
export interface View {
  x: number;
  y: number;
  scale: number;
}

export type Point = [id: number, x: number, y: number];
export type Size = { width: number; height: number };

export const toScreen = (view: View, size: Size, x: number, y: number): [number, number] => [
  size.width / 2 + (x - view.x) * view.scale,
  size.height / 2 + (y - view.y) * view.scale,
];

export const toPlane = (view: View, size: Size, x: number, y: number): [number, number] => [
  view.x + (x - size.width / 2) / view.scale,
  view.y + (y - size.height / 2) / view.scale,
];

/** All of the map, with a margin. */
export const whole = (size: Size): View => ({
  x: 0.5,
  y: 0.5,
  scale: Math.max(1, Math.min(size.width, size.height) - 2 * 44),
});

/** Nearer or farther, with the point under the pointer where it is. */
export function zoomed(view: View, size: Size, x: number, y: number, factor: number): View {
  const least = whole(size).scale / 2;
  const scale = Math.min(least * 4000, Math.max(least, view.scale * factor));
  const [px, py] = toPlane(view, size, x, y);
  return { scale, x: px - (x - size.width / 2) / scale, y: py - (y - size.height / 2) / scale };
}

/**
 * Photos in view that get a picture, at most one in a cell of the screen, and the dots of all.
 * Cells hold to the plane, so that pictures stay what they are while the map is moved.
 */
export function thinned(points: Point[], view: View, size: Size, cell: number): {
  pictures: Point[];
  dots: Point[];
} {
  const level = 2 ** Math.floor(Math.log2(view.scale / cell));
  const taken = new Set<number>();
  const pictures: Point[] = [];
  const dots: Point[] = [];
  for (const point of points) {
    const [sx, sy] = toScreen(view, size, point[1], point[2]);
    if (sx < -cell || sy < -cell || sx > size.width + cell || sy > size.height + cell) continue;
    const key = Math.floor(point[1] * level) * 2 ** 26 + Math.floor(point[2] * level);
    if (taken.has(key)) {
      dots.push(point);
    } else {
      taken.add(key);
      pictures.push(point);
    }
  }
  return { pictures, dots };
}

/** The photo next to a point of the screen, within some pixels. */
export function nearest(
  points: Point[],
  view: View,
  size: Size,
  x: number,
  y: number,
  within: number,
): Point | null {
  let best: Point | null = null;
  let least = within ** 2;
  for (const point of points) {
    const [sx, sy] = toScreen(view, size, point[1], point[2]);
    const distance = (sx - x) ** 2 + (sy - y) ** 2;
    if (distance <= least) [best, least] = [point, distance];
  }
  return best;
}
