/** The jobs of the service, followed while they run. */

import * as api from "./api";
import { session } from "./session.svelte";
import type { Job } from "./types";

export const ended = (job: Job): boolean => job.state === "done" || job.state === "failed";

class Jobs {
  list = $state<Job[]>([]);
  private following = new Set<number>();
  private known = new Set<number>();

  get running(): Job[] {
    return this.list.filter((job) => !ended(job));
  }

  /** Look which jobs there are, and follow those that run. */
  async look(): Promise<void> {
    const jobs = await api.listJobs().catch(() => []);
    let added = false;
    for (const job of jobs) {
      this.put(job);
      if (!ended(job)) void this.follow(job.id);
      else added ||= job.added > 0 && !this.known.has(job.id);
      this.known.add(job.id);
    }
    if (added) await session.meet();
  }

  private put(job: Job): void {
    const at = this.list.findIndex((each) => each.id === job.id);
    if (at < 0) this.list.unshift(job);
    else this.list[at] = job;
  }

  private async follow(id: number): Promise<void> {
    if (this.following.has(id)) return;
    this.following.add(id);
    try {
      for await (const job of api.follow(id, new AbortController().signal)) {
        this.put(job);
        if (ended(job)) break;
      }
    } catch {
      // The list is read again with the next look.
    } finally {
      this.following.delete(id);
    }
    await session.meet();
  }
}

export const jobs = new Jobs();
