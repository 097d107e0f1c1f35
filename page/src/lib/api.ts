/** The HTTP API, its addresses relative to the page, so that it works below a proxy's prefix. */

import { parseMaps, type Maps } from "./attention";
import { events } from "./events";
import { formOf, searchForm, type Asked, type Source } from "./forms";
import type { Explanation, Found, IndexFacts, Job, Match, PhotoFacts, QueryPhoto } from "./types";

const KEPT = "solar-token";

export class ApiError extends Error {
  constructor(
    readonly status: number,
    message: string,
  ) {
    super(message);
  }
}

let token = sessionStorage.getItem(KEPT) ?? "";

export const hasToken = (): boolean => token !== "";

/** Keep the token for as long as this tab is open. */
export function keepToken(text: string): void {
  token = text.trim();
  sessionStorage.setItem(KEPT, token);
}

const path = (rest: string): string => `api/v1/${rest}`;

async function request(rest: string, init: RequestInit = {}): Promise<Response> {
  const headers = new Headers(init.headers);
  if (token !== "") headers.set("Authorization", `Bearer ${token}`);
  let answer: Response;
  try {
    answer = await fetch(path(rest), { ...init, headers });
  } catch (error) {
    if (error instanceof DOMException && error.name === "AbortError") throw error;
    throw new ApiError(0, "The service does not answer. Is `solar serve` still running?");
  }
  if (answer.ok) return answer;
  const told = (await answer.json().catch(() => ({}))) as { error?: string };
  throw new ApiError(answer.status, told.error ?? `The service answered ${answer.status}`);
}

const json = async <T>(rest: string, init?: RequestInit): Promise<T> =>
  (await request(rest, init)).json() as Promise<T>;

export const thumbnail = (id: number, size = 256): string => `photos/${id}/thumbnail?size=${size}`;
export const image = (id: number, size = 1280): string => `photos/${id}/image?size=${size}`;

/** An address that an image may have as its source; with a token, of a copy fetched with it. */
export async function source(rest: string, signal?: AbortSignal): Promise<string> {
  if (token === "") return path(rest);
  return URL.createObjectURL(await (await request(rest, { signal: signal ?? null })).blob());
}

/** Let go of what `source` made. */
export function release(address: string): void {
  if (address.startsWith("blob:")) URL.revokeObjectURL(address);
}

export const getIndex = (): Promise<IndexFacts> => json("index");

export const listPhotos = (
  offset: number,
  limit: number,
  expression = "",
): Promise<{ total: number; photos: PhotoFacts[] }> =>
  json(
    `photos?${new URLSearchParams({ offset: `${offset}`, limit: `${limit}`, ...(expression && { where: expression }) })}`,
  );

export const getPhoto = (id: number): Promise<PhotoFacts> => json(`photos/${id}`);

export const search = (query: QueryPhoto[], asked: Asked, signal: AbortSignal): Promise<Found> =>
  json("search", { method: "POST", body: searchForm(query, asked), signal });

export async function attention(photo: Source, stage: string): Promise<Maps> {
  const body = formOf(photo, { stage });
  return parseMaps(await (await request("attention", { method: "POST", body })).arrayBuffer());
}

export const match = (photo: Source, hit: number, signal: AbortSignal): Promise<Match> =>
  json("match", { method: "POST", body: formOf(photo, { hit }), signal });

export const explain = (photo: Source, hit: number, signal: AbortSignal): Promise<Explanation> =>
  json("explain", { method: "POST", body: formOf(photo, { hit }), signal });

/** What a view shows, null where the service has no such view. */
async function ifThere<T>(rest: string): Promise<T | null> {
  try {
    return await json<T>(rest);
  } catch (error) {
    if (error instanceof ApiError && (error.status === 404 || error.status === 501)) return null;
    throw error;
  }
}

/** What a job makes: what it made, or the job while it has not. */
export type Made = { found: unknown } | { job: Job };

async function made(rest: string): Promise<Made> {
  const answer = await request(rest);
  return answer.status === 202
    ? { job: (await answer.json()) as Job }
    : { found: (await answer.json()) as unknown };
}

export const getMap = (): Promise<{ points: [number, number, number][] } | null> => ifThere("map");
export const getPlaces = (): Promise<Made> => made("places");
export const getDuplicates = (): Promise<Made> => made("duplicates");

export const listJobs = async (): Promise<Job[]> =>
  (await ifThere<{ jobs: Job[] }>("jobs"))?.jobs ?? [];

/** A job as it goes on, until it ends. */
export async function* follow(id: number, signal: AbortSignal): AsyncGenerator<Job> {
  const answer = await request(`jobs/${id}/events`, {
    signal,
    headers: { Accept: "text/event-stream" },
  });
  if (answer.body) for await (const data of events(answer.body)) yield JSON.parse(data) as Job;
}

export const addPhotos = (files: File[]): Promise<{ job: number }> => {
  const body = new FormData();
  for (const file of files) body.append("photo", file, file.name);
  return json("photos", { method: "POST", body });
};

/** Let the index forget a photo; its file stays. */
export const forget = async (id: number): Promise<void> => {
  await request(`photos/${id}`, { method: "DELETE" });
};

/** Look for new photos in a folder of the index. */
export const lookAgain = (folder: string): Promise<{ job: number }> => {
  const body = new FormData();
  body.append("folder", folder);
  return json("photos", { method: "POST", body });
};
