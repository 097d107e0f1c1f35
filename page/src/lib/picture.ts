/** Where the pixels of photos come from: the service, or the file that was given. */

import * as api from "./api";
import type { QueryPhoto } from "./types";

interface Shown {
  /** Below the API, or null for a file. */
  address: string | null;
  file: File | null;
}

export const thumbnailOf = (id: number, size?: number): Shown => ({
  address: api.thumbnail(id, size),
  file: null,
});

export const imageOf = (id: number): Shown => ({ address: api.image(id), file: null });

export const pictureOf = (photo: Pick<QueryPhoto, "file" | "id">): Shown =>
  photo.file ? { address: null, file: photo.file } : imageOf(photo.id ?? -1);

/** Action: show a picture in an image, and let go of it again. */
export function picture(image: HTMLImageElement, shown: Shown): {
  update: (shown: Shown) => void;
  destroy: () => void;
} {
  let address = "";
  let running = new AbortController();
  let now: Shown | null = null;

  async function show(next: Shown): Promise<void> {
    if (now && now.address === next.address && now.file === next.file) return;
    clear();
    now = next;
    const { signal } = (running = new AbortController());
    try {
      const made = next.file ? URL.createObjectURL(next.file) : await api.source(next.address ?? "", signal);
      if (signal.aborted) return api.release(made);
      address = made;
      image.src = made;
    } catch {
      if (!signal.aborted) image.dispatchEvent(new Event("error"));
    }
  }

  function clear(): void {
    running.abort();
    api.release(address);
    address = "";
  }

  void show(shown);
  return { update: (next) => void show(next), destroy: clear };
}
