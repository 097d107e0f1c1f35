/** Attention maps that were asked for, so that each is asked for once. */

import { attention } from "./api";
import type { Maps } from "./attention";
import type { Source } from "./forms";

/** At most so many are kept; one of stage 4 is 0.6 MB. */
const MOST = 24;

const kept = new Map<string, Promise<Maps>>();
const files = new WeakMap<File, number>();
let counted = 0;

function keyOf(photo: Source, stage: string): string {
  if (!photo.file) return `${photo.id} ${stage}`;
  if (!files.has(photo.file)) files.set(photo.file, ++counted);
  return `file ${files.get(photo.file)} ${stage}`;
}

/** The maps of a whole photo after a stage of the network. */
export async function mapsOf(photo: Source, stage: string): Promise<Maps> {
  const key = keyOf(photo, stage);
  const known = kept.get(key);
  if (known) return known;
  const asked = attention({ ...photo, box: null }, stage);
  kept.set(key, asked);
  asked.catch(() => kept.delete(key));
  if (kept.size > MOST) kept.delete(kept.keys().next().value!);
  return asked;
}
