/** What the HTTP API answers, as the page uses it. */

export interface IndexFacts {
  name: string;
  photos: number;
  model: string;
  kind: string;
  dimensions: number;
  features: boolean;
  calibrated: boolean;
  roots: string[];
  writable: boolean;
  /** Whether photos are added as they come into its folders. */
  watched: boolean;
  /** The stages of the network of which attention can be shown. */
  attention: string[];
  facts: { taken: [string, string] | null; gps: number };
}

export interface PhotoFacts {
  id: number;
  path: string;
  root: string;
  width?: number | null;
  height?: number | null;
  taken?: string | null;
  gps?: [number, number] | null;
  camera?: string | null;
  /** Why it cannot be found. */
  reason?: string | null;
}

export interface Hit extends PhotoFacts {
  score: number;
  probability: number | null;
  inliers?: number;
  /** Which photo of the query it shares these with, where there are several. */
  query?: number;
  gone?: boolean;
}

export interface Found {
  alike: boolean;
  hits: Hit[];
}

/** x1, y1, x2, y2 as parts of a photo's width and height. */
export type Box = [number, number, number, number];

export type Line = [number, number, number, number];

export type Homography = [number[], number[], number[]];

export interface Match {
  inliers: number;
  lines: Line[];
  homography: Homography | null;
}

export interface Contributions {
  h: number;
  w: number;
  values: number[];
}

export interface Explanation {
  query: Contributions;
  hit: Contributions;
}

export interface Job {
  id: number;
  state: "waiting" | "running" | "done" | "failed";
  what: string;
  done: number;
  total: number | null;
  seconds_left: number | null;
  /** Photos that could not be used. */
  failed: number;
  /** Photos that are new, or described anew. */
  added: number;
  error: string | null;
}

/** A photo of the query: a file that was given, or one of the index. */
export interface QueryPhoto {
  key: number;
  file: File | null;
  id: number | null;
  name: string;
  box: Box | null;
  /** Not like this one. */
  not: boolean;
}
