/** What is sent to the HTTP API. */

import { percents } from "./box";
import type { QueryPhoto } from "./types";

export interface Asked {
  top: number;
  where: string;
  minProbability: number;
}

/** The photos of the query in the order in which the API numbers them: files, then ids. */
export const inOrder = (query: QueryPhoto[]): QueryPhoto[] => {
  const wanted = query.filter((each) => !each.not);
  return [...wanted.filter((each) => each.file), ...wanted.filter((each) => !each.file)];
};

/** The form of a search. */
export function searchForm(query: QueryPhoto[], asked: Asked): FormData {
  const form = new FormData();
  const wanted = inOrder(query);
  for (const each of wanted) {
    if (each.file) form.append("photo", each.file, each.name);
    else form.append("id", `${each.id}`);
  }
  if (wanted.some((each) => each.box)) {
    for (const each of wanted) form.append("box", percents(each.box));
  }
  for (const each of query.filter((one) => one.not)) {
    if (each.file) form.append("not", each.file, each.name);
    else form.append("not_id", `${each.id}`);
  }
  if (wanted.length > 1) form.append("together", "true");
  form.append("top", `${asked.top}`);
  if (asked.where) form.append("where", asked.where);
  if (asked.minProbability > 0) form.append("min_probability", `${asked.minProbability}`);
  return form;
}

export type Source = Pick<QueryPhoto, "file" | "id" | "name" | "box">;

/** The form of a question about one photo. */
export function formOf(photo: Source, rest: Record<string, string | number>): FormData {
  const form = new FormData();
  if (photo.file) form.append("photo", photo.file, photo.name);
  else form.append("id", `${photo.id}`);
  if (photo.box) form.append("box", percents(photo.box));
  for (const [name, value] of Object.entries(rest)) form.append(name, `${value}`);
  return form;
}
