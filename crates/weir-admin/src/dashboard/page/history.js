// What counters say from one moment to the next. Counters only grow; one that has shrunk belongs to another process.

const KEPT = 300;

export class History {
  constructor() {
    this.moments = [];
    this.before = null;
    this.rates = new Map();
    this.bounds = [];
  }

  // Takes the next snapshot. Returns false for one that can't follow the one before.
  take(now, bounds = this.bounds) {
    const before = this.before;
    this.before = now;
    this.bounds = bounds;
    const seconds = before ? now.at - before.at : 0;
    if (!before || seconds <= 0 || now.counters.get("requests") < before.counters.get("requests")) {
      this.rates = new Map();
      return false;
    }
    this.rates = new Map([...now.counters].map(([name, value]) =>
      [name, before.counters.has(name) ? Math.max(0, value - before.counters.get(name)) / seconds : 0]));
    const buckets = now.durations.map((value, at) => Math.max(0, value - (before.durations[at] ?? 0)));
    this.moments.push({
      at: now.at,
      classes: now.classes.map((value, at) => Math.max(0, value - before.classes[at]) / seconds),
      failed: this.rate("failed"),
      p50: percentile(bounds, buckets, 0.5),
      p99: percentile(bounds, buckets, 0.99),
    });
    while (this.moments.length > KEPT) this.moments.shift();
    return true;
  }

  // What the admin listener has kept from before this page was opened.
  recall(bounds, moments) {
    for (const { at_seconds: at, requests, failed, classes, durations } of moments) {
      this.take({ at, counters: new Map([["requests", requests], ["failed", failed]]), classes, durations }, bounds);
    }
  }

  rate(name) {
    return this.rates.get(name) ?? 0;
  }
}

// The time within which this share of what is in the buckets came; within a bucket they are taken to lie evenly.
export function percentile(bounds, buckets, wanted) {
  const all = buckets.reduce((sum, value) => sum + value, 0);
  if (all === 0) return null;
  let seen = 0;
  for (let at = 0; at < buckets.length; at += 1) {
    if (buckets[at] > 0 && seen + buckets[at] >= wanted * all) {
      const low = at === 0 ? 0 : bounds[at - 1];
      const high = bounds[at];
      if (high === null || high === undefined) return Infinity;
      return low + ((wanted * all - seen) / buckets[at]) * (high - low);
    }
    seen += buckets[at];
  }
  return Infinity;
}
