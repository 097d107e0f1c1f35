/** Arrow keys through a grid. */

/**
 * The tile after a key.
 * @returns a number of 0 to count - 1, or null if the key does not move
 */
export function step(key: string, at: number, count: number, columns: number): number | null {
  const to = {
    ArrowRight: at + 1,
    ArrowLeft: at - 1,
    ArrowDown: at + columns,
    ArrowUp: at - columns,
    Home: 0,
    End: count - 1,
  }[key];
  if (to === undefined || count === 0) return null;
  if (key === "ArrowDown" && to >= count) {
    const rows = Math.ceil(count / columns);
    return Math.floor(at / columns) < rows - 1 ? count - 1 : at;
  }
  return to < 0 || to >= count ? at : to;
}

/** How many tiles of a row stand beside one another. */
export function columnsOf(tiles: ArrayLike<{ offsetTop: number }>): number {
  let columns = 0;
  while (columns < tiles.length && tiles[columns]!.offsetTop === tiles[0]!.offsetTop) columns++;
  return Math.max(1, columns);
}
