import { expect, test } from "vitest";
import { columnsOf, step } from "../src/lib/grid";
import { nearest, thinned, toPlane, toScreen, whole, zoomed, type Point } from "../src/lib/plane";

const SIZE = { width: 900, height: 600 };

test("arrow keys go through a grid and stop at its edges", () => {
  expect(step("ArrowRight", 0, 10, 4)).toBe(1);
  expect(step("ArrowLeft", 0, 10, 4)).toBe(0);
  expect(step("ArrowDown", 1, 10, 4)).toBe(5);
  expect(step("ArrowDown", 7, 10, 4)).toBe(9);
  expect(step("ArrowDown", 9, 10, 4)).toBe(9);
  expect(step("ArrowUp", 2, 10, 4)).toBe(2);
  expect(step("End", 2, 10, 4)).toBe(9);
  expect(step("x", 2, 10, 4)).toBeNull();
  expect(columnsOf([0, 0, 0, 120, 120].map((offsetTop) => ({ offsetTop })))).toBe(3);
  expect(columnsOf([])).toBe(1);
});

test("screen and plane are each other's inverse, and zooming keeps the point under the pointer", () => {
  let view = whole(SIZE);
  for (const factor of [1.3, 4, 0.2, 7]) {
    const before = toPlane(view, SIZE, 120, 333);
    view = zoomed(view, SIZE, 120, 333, factor);
    const [x, y] = toScreen(view, SIZE, ...before);
    expect(x).toBeCloseTo(120, 6);
    expect(y).toBeCloseTo(333, 6);
  }
});

test("at most one picture in a cell, and more of them the nearer one looks", () => {
  const points: Point[] = Array.from({ length: 2000 }, (_, n) => [n, (n * 0.618) % 1, (n * 0.414) % 1]);
  const far = thinned(points, whole(SIZE), SIZE, 90);
  expect(far.pictures.length + far.dots.length).toBe(2000);
  expect(far.pictures.length).toBeLessThan(120);
  const view = zoomed(whole(SIZE), SIZE, 450, 300, 12);
  const near = thinned(points, view, SIZE, 90);
  expect(near.pictures.length / (near.pictures.length + near.dots.length)).toBeGreaterThan(
    far.pictures.length / 2000,
  );
  const [id, x, y] = near.pictures[0]!;
  expect(nearest(near.pictures, view, SIZE, ...toScreen(view, SIZE, x, y), 5)![0]).toBe(id);
  expect(nearest([], view, SIZE, 0, 0, 5)).toBeNull();
});
