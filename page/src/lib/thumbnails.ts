/** Thumbnails for a canvas: the ones in view first, few at a time, the oldest let go of. */

import * as api from "./api";

const AT_ONCE = 6;
const MOST = 800;

export class Thumbnails {
  private kept = new Map<number, HTMLImageElement | null>();
  private wanted: number[] = [];
  private running = 0;
  private closed = false;

  /** @param came called after each that came */
  constructor(
    private size: number,
    private came: () => void,
  ) {}

  get(id: number): HTMLImageElement | null {
    return this.kept.get(id) ?? null;
  }

  /** Fetch these next, in this order; what was wanted before is forgotten. */
  want(ids: number[]): void {
    this.wanted = ids.filter((id) => !this.kept.has(id));
    this.next();
  }

  close(): void {
    this.closed = true;
    for (const image of this.kept.values()) if (image) api.release(image.src);
    this.kept.clear();
  }

  private next(): void {
    while (!this.closed && this.running < AT_ONCE && this.wanted.length > 0) {
      const id = this.wanted.shift()!;
      this.running++;
      this.kept.set(id, null);
      void this.fetch(id).finally(() => {
        this.running--;
        this.next();
      });
    }
  }

  private async fetch(id: number): Promise<void> {
    try {
      const image = new Image();
      image.src = await api.source(api.thumbnail(id, this.size));
      await image.decode();
      if (this.closed) return api.release(image.src);
      this.kept.set(id, image);
      this.trim();
      this.came();
    } catch {
      // A photo that is gone stays a dot.
    }
  }

  private trim(): void {
    for (const [id, image] of this.kept) {
      if (this.kept.size <= MOST) return;
      if (image) api.release(image.src);
      this.kept.delete(id);
    }
  }
}
