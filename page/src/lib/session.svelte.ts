/** What is searched for, what was found, and where the reader is; the back button undoes steps. */

import * as api from "./api";
import type { Found, Hit, IndexFacts, QueryPhoto } from "./types";
import { NO_FILTERS, problem, where, type Filters } from "./where";

export type View = "search" | "map" | "places" | "copies" | "index";
export const VIEWS: View[] = ["search", "map", "places", "copies", "index"];

/** Hits of a first answer, and the most that are ever asked for. */
const FIRST = 24;
const MOST = 192;

interface Step {
  query: QueryPhoto[];
  view: View;
  hit: number | null;
  looked: number | null;
}

let keys = 0;

export const ofFile = (file: File, not = false): QueryPhoto => ({
  key: ++keys,
  file,
  id: null,
  name: file.name || "pasted photo",
  box: null,
  not,
});

export const ofIndexed = (id: number, name: string, not = false): QueryPhoto => ({
  key: ++keys,
  file: null,
  id,
  name,
  box: null,
  not,
});

const viewOf = (hash: string): View =>
  VIEWS.find((view) => view === hash.replace(/^#\/?/, "")) ?? "search";

class Session {
  index = $state.raw<IndexFacts | null>(null);
  /** That the service asks for a token. */
  locked = $state(false);
  view = $state<View>("search");
  query = $state.raw<QueryPhoto[]>([]);
  filters = $state<Filters>({ ...NO_FILTERS });
  minProbability = $state(0);
  found = $state.raw<Found | null>(null);
  /** The photos of the answer on the screen; `query` may be newer. */
  answered = $state.raw<QueryPhoto[]>([]);
  searching = $state(false);
  problem = $state("");
  /** Milliseconds from asking to the answer. */
  took = $state(0);
  /** The id of the hit that is open. */
  hit = $state<number | null>(null);
  /** The id of the photo that is looked at closer. */
  looked = $state<number | null>(null);
  /** What a click on a photo of the map or of a group does. */
  clicks = $state<"search" | "look">("search");
  /** Photos that the index was told to forget since the page was opened. */
  forgotten = $state.raw<ReadonlySet<number>>(new Set());

  private top = FIRST;
  private steps: Step[] = [];
  private running: AbortController | null = null;

  get more(): boolean {
    return (this.found?.hits.length ?? 0) >= this.top && this.top < MOST;
  }

  /** Read what the service is, and go where the address says. */
  async start(): Promise<void> {
    addEventListener("popstate", (event) => this.return(event.state as { step: number } | null));
    this.view = viewOf(location.hash);
    this.steps = [this.now()];
    history.replaceState({ step: 0 }, "", location.href);
    await this.meet();
  }

  /** Ask what index this is; a service that wants a token shows in `locked`. */
  async meet(): Promise<void> {
    try {
      this.index = await api.getIndex();
      this.locked = false;
      this.problem = "";
      document.title = `${this.index.name} · Solar`;
    } catch (error) {
      this.fail(error);
    }
  }

  go(view: View): void {
    this.view = view;
    this.hit = this.looked = null;
    this.step();
  }

  /** What a click on a photo of the index does: search with it, or look at it closer. */
  async pick(id: number, name: string): Promise<void> {
    if (this.clicks === "search") return this.only(ofIndexed(id, name));
    this.looked = id;
    this.step();
  }

  closeLook(): void {
    if (this.looked !== null) history.back();
  }

  /** Let the index forget a photo; its file stays. Throws what the service says against it. */
  async forget(id: number): Promise<void> {
    await api.forget(id);
    this.forgotten = new Set([...this.forgotten, id]);
    if (this.found) this.found = { ...this.found, hits: this.found.hits.filter((hit) => hit.id !== id) };
    const left = this.query.filter((each) => each.id !== id);
    if (left.length < this.query.length) await this.ask(left);
    else {
      this.closeHit();
      this.closeLook();
    }
    await this.meet();
  }

  /** Ask for another token, as one that may change the index. */
  askToken(): void {
    this.closeHit();
    this.closeLook();
    this.locked = true;
  }

  /** Search with one photo alone. */
  async only(photo: QueryPhoto): Promise<void> {
    await this.ask([photo]);
  }

  /** Search with a photo too, or for what is not like it. */
  async add(photo: QueryPhoto): Promise<void> {
    if (photo.id !== null && this.query.some((each) => each.id === photo.id)) return;
    await this.ask([...this.query, photo]);
  }

  async remove(key: number): Promise<void> {
    await this.ask(this.query.filter((each) => each.key !== key));
  }

  async edit(key: number, change: Partial<QueryPhoto>): Promise<void> {
    await this.ask(this.query.map((each) => (each.key === key ? { ...each, ...change } : each)));
  }

  async clear(): Promise<void> {
    await this.ask([]);
  }

  openHit(hit: Hit): void {
    this.hit = hit.id;
    this.step();
  }

  /** Show another hit without another step back. */
  turn(hit: Hit): void {
    this.hit = hit.id;
    const at = (history.state as { step: number }).step;
    this.steps[at] = this.now();
  }

  closeHit(): void {
    if (this.hit !== null) history.back();
  }

  async showMore(): Promise<void> {
    this.top = Math.min(MOST, 2 * this.top);
    await this.search();
  }

  /** Search with the filters as they are now. */
  async refilter(): Promise<void> {
    this.top = FIRST;
    if (problem(this.filters) === "") await this.search();
  }

  /** Search with these photos. */
  async ask(query: QueryPhoto[]): Promise<void> {
    this.query = query;
    this.view = "search";
    this.hit = this.looked = null;
    this.top = FIRST;
    this.step();
    await this.search();
  }

  private async search(): Promise<void> {
    this.running?.abort();
    this.problem = "";
    if (!this.query.some((each) => !each.not)) {
      this.found = null;
      this.searching = false;
      return;
    }
    const running = (this.running = new AbortController());
    const query = this.query;
    this.searching = true;
    const started = performance.now();
    try {
      const asked = { top: this.top, where: where(this.filters), minProbability: this.minProbability };
      const found = await api.search(query, asked, running.signal);
      this.found = found;
      this.answered = query;
      this.took = performance.now() - started;
    } catch (error) {
      if (running.signal.aborted) return;
      this.found = null;
      this.fail(error);
    }
    if (this.running === running) this.searching = false;
  }

  private fail(error: unknown): void {
    if (error instanceof api.ApiError && error.status === 401) this.locked = true;
    this.problem = error instanceof Error ? error.message : String(error);
  }

  private now(): Step {
    return { query: this.query, view: this.view, hit: this.hit, looked: this.looked };
  }

  private step(): void {
    this.problem = "";
    const at = ((history.state as { step: number } | null)?.step ?? 0) + 1;
    this.steps.length = at;
    this.steps.push(this.now());
    history.pushState({ step: at }, "", this.view === "search" ? "#/" : `#/${this.view}`);
  }

  private return(state: { step: number } | null): void {
    const step = state && this.steps[state.step];
    if (!step) {
      this.view = viewOf(location.hash);
      return;
    }
    const gone = (each: QueryPhoto): boolean => each.id !== null && this.forgotten.has(each.id);
    if (step.query.some(gone)) step.query = step.query.filter((each) => !gone(each));
    const searched = step.query !== this.query;
    this.query = step.query;
    this.view = step.view;
    this.hit = step.hit;
    this.looked = step.looked;
    if (searched) void this.search();
  }
}

export const session = new Session();
