import { describe, expect, test } from "vitest";
import { between, moved, percents, spoken } from "../src/lib/box";
import { inverse, layable, mapPoint, matrix3d } from "../src/lib/homography";
import { one, pair } from "../src/lib/layout";
import type { Homography } from "../src/lib/types";

const TILTED: Homography = [
  [0.9, 0.1, 0.05],
  [-0.05, 1.1, 0.02],
  [0.2, -0.1, 1],
];

describe("boxes", () => {
  test("are drawn from any corner, within the photo; a click is none", () => {
    expect(between(0.8, 1.4, 0.2, 0.5)).toEqual([0.2, 0.5, 0.8, 1]);
    expect(between(0.5, 0.5, 0.505, 0.9)).toBeNull();
  });

  test("are sent in percent", () => {
    expect(percents([0.1, 0.25, 1 / 3, 1])).toBe("10%,25%,33.33%,100%");
    expect(percents(null)).toBe("");
  });

  test("follow the arrow keys and never leave the photo", () => {
    let box = moved(null, "ArrowRight", false);
    expect(box).toEqual([0.25, 0.25, 0.75, 0.75]);
    for (let n = 0; n < 40; n++) box = moved(box, n % 3 ? "ArrowRight" : "ArrowDown", n % 2 === 0);
    const [x1, y1, x2, y2] = box!;
    expect(Math.min(x1, y1)).toBeGreaterThanOrEqual(0);
    expect(Math.max(x2, y2)).toBeLessThanOrEqual(1 + 1e-9);
    expect(x2 > x1 && y2 > y1).toBe(true);
    expect(moved(box, "a", false)).toBe(box);
  });

  test("are said in words", () => {
    expect(spoken([0.25, 0.1, 0.75, 0.5])).toBe("from 25 to 75 percent across, 10 to 50 percent down");
  });
});

describe("homographies", () => {
  test("the inverse maps back", () => {
    const back = inverse(TILTED)!;
    for (const [x, y] of [[0, 0], [1, 0], [0.3, 0.8]] as const) {
      const [u, v] = mapPoint(TILTED, x, y)!;
      const again = mapPoint(back, u, v)!;
      expect(again[0]).toBeCloseTo(x, 9);
      expect(again[1]).toBeCloseTo(y, 9);
    }
    expect(inverse([[1, 2, 0], [2, 4, 0], [0, 0, 1]])).toBeNull();
  });

  test("CSS moves a corner where the homography does", () => {
    const css = matrix3d(TILTED, [400, 300], [800, 500]);
    const m = css.slice("matrix3d(".length, -1).split(",").map(Number);
    for (const [x, y] of [[0, 0], [400, 0], [400, 300], [123, 45]] as const) {
      const depth = m[3]! * x + m[7]! * y + m[15]!;
      const [u, v] = mapPoint(TILTED, x / 400, y / 300)!;
      expect((m[0]! * x + m[4]! * y + m[12]!) / depth).toBeCloseTo(800 * u, 5);
      expect((m[1]! * x + m[5]! * y + m[13]!) / depth).toBeCloseTo(500 * v, 5);
    }
  });

  test("photos that fold over the horizon, or shrink to nothing, are not laid", () => {
    expect(layable(TILTED)).toBe(true);
    expect(layable([[1, 0, 0], [0, 1, 0], [-2, 0, 1]])).toBe(false);
    expect(layable([[0.01, 0, 0], [0, 0.01, 0], [0, 0, 1]])).toBe(false);
  });
});

describe("layout", () => {
  test("a photo is as large as it may be", () => {
    expect(one(100, 100, 2)).toEqual({ x: 0, y: 25, width: 100, height: 50 });
  });

  test("two photos stand beside each other where it is wide, below where it is narrow", () => {
    const [left, right] = pair(1000, 400, 1.5, 1, 10);
    expect(left.height).toBeCloseTo(right.height);
    expect(right.x).toBeCloseTo(left.x + left.width + 10);
    expect(right.x + right.width).toBeLessThanOrEqual(1000);
    const [top, bottom] = pair(380, 700, 1.5, 1.5, 10);
    expect(top.width).toBeCloseTo(bottom.width);
    expect(bottom.y).toBeCloseTo(top.y + top.height + 10);
    expect(bottom.y + bottom.height).toBeLessThanOrEqual(700);
  });
});
