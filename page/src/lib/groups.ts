/** Places and copies: groups of photos. */

import { dayOf } from "./format";

export interface Group {
  /** What is known of it, in words; may be empty. */
  note: string;
  ids: number[];
}

interface Sent {
  photos: { id: number }[];
  /** Of places: when the first and the last photo were taken. */
  first?: string | null;
  last?: string | null;
  /** Of copies: the sense in which the photos are the same. */
  rung?: string;
}

const RUNGS: Record<string, string> = {
  bytes: "the same file",
  picture: "the same picture, saved anew",
  moment: "the same moment",
  view: "the same view",
  place: "the same place",
};

function note(group: Sent): string {
  if (group.rung) return RUNGS[group.rung] ?? group.rung;
  const [first, last] = [dayOf(group.first), dayOf(group.last)];
  return first === last ? first : `${first} to ${last}`;
}

/** The groups of an answer of /places or /duplicates, in its order. */
export function groupsOf(answer: unknown): Group[] {
  const { places, groups } = answer as { places?: Sent[]; groups?: Sent[] };
  return (places ?? groups ?? []).map((group) => ({
    note: note(group),
    ids: group.photos.map((photo) => photo.id),
  }));
}
