/** Places and copies: groups of photos. */

export interface Group {
  name: string;
  ids: number[];
}

type Entry = number | { id: number };

const idOf = (entry: Entry): number => (typeof entry === "number" ? entry : entry.id);

/** The groups of an answer of /places or /duplicates, the largest first. */
export function groupsOf(answer: unknown): Group[] {
  const holder = answer as Record<string, unknown>;
  const list = (Array.isArray(answer) ? answer : (holder.places ?? holder.groups ?? holder.duplicates ?? [])) as unknown[];
  return list
    .map((each) => {
      const group = each as { name?: string; place?: string; photos?: Entry[]; ids?: Entry[] };
      const entries = Array.isArray(each) ? (each as Entry[]) : (group.photos ?? group.ids ?? []);
      return { name: String(group.name ?? group.place ?? ""), ids: entries.map(idOf) };
    })
    .filter((group) => group.ids.length > 0)
    .sort((one, other) => other.ids.length - one.ids.length);
}
