/** Numbers, names and dates as they are shown. */

export const percent = (part: number): string => `${Math.round(100 * part)} %`;

export const count = (number: number, what: string): string =>
  `${number.toLocaleString("en")} ${what}${number === 1 ? "" : "s"}`;

export const nameOf = (path: string): string => path.slice(path.lastIndexOf("/") + 1);

/** The folder of a path below its root; empty for the root itself. */
export const folderOf = (path: string): string =>
  path.includes("/") ? path.slice(0, path.lastIndexOf("/")) : "";

/** The day of a time as files state it. */
export const dayOf = (taken: string | null | undefined): string => taken?.slice(0, 10) ?? "";

/** So many keypoints of unrelated photos agree too; as `solar.rerank.CHANCE`. */
const CHANCE = 7;

/** How many keypoints of a hit agree, null where that is no more than chance. */
export const agreeing = (inliers: number | undefined): number | null =>
  inliers !== undefined && inliers > CHANCE ? inliers : null;

/** How long something still takes. */
export function left(seconds: number): string {
  if (seconds < 60) return `${Math.max(1, Math.round(seconds))} s left`;
  const minutes = Math.round(seconds / 60);
  return minutes < 60 ? `${minutes} min left` : `${Math.round(minutes / 60)} h left`;
}
