/** Where photos stand on the screen. */

export interface Rect {
  x: number;
  y: number;
  width: number;
  height: number;
}

/** One photo, as large as it may be, in the middle. */
export function one(width: number, height: number, aspect: number): Rect {
  const wide = Math.min(width, height * aspect);
  const high = wide / aspect;
  return { x: (width - wide) / 2, y: (height - high) / 2, width: wide, height: high };
}

/** Two photos beside one another at one height, or below one another where both are larger so. */
export function pair(
  width: number,
  height: number,
  first: number,
  second: number,
  gap: number,
): [Rect, Rect] {
  const beside = Math.min(height, (width - gap) / (first + second));
  const below = Math.min(width, (height - gap) / (1 / first + 1 / second));
  if (beside ** 2 * (first + second) >= below ** 2 * (1 / first + 1 / second)) {
    const left = (width - gap - beside * (first + second)) / 2;
    const top = (height - beside) / 2;
    return [
      { x: left, y: top, width: beside * first, height: beside },
      { x: left + beside * first + gap, y: top, width: beside * second, height: beside },
    ];
  }
  const left = (width - below) / 2;
  const top = (height - gap - below / first - below / second) / 2;
  return [
    { x: left, y: top, width: below, height: below / first },
    { x: left, y: top + below / first + gap, width: below, height: below / second },
  ];
}
