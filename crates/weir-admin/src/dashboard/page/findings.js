// What is wrong, worst first, in sentences; and what the proxy does, in one.

import { age, count, duration, plural, share } from "./format.js";

const SOON_SECONDS = 14 * 86400;

// [{kind: "bad" | "warn", text}]
export function findings(now, history) {
  return [
    ...ofProcess(now),
    ...now.upstreams.flatMap(ofUpstream),
    ...ofAnswers(history),
    ...now.queues.flatMap(ofQueue),
    ...now.certificates.flatMap((one) => ofCertificate(one, now.at)),
  ].sort((one, other) => (one.kind === other.kind ? 0 : one.kind === "bad" ? -1 : 1));
}

const bad = (text) => ({ kind: "bad", text });
const warn = (text) => ({ kind: "warn", text });

function ofProcess(now) {
  const found = [];
  if (!now.ready) found.push(warn("Draining: no new connections are accepted, and the process ends when the last one has."));
  if (now.configuration.problem) found.push(bad(`The last reload was refused, and what was in force stays: ${now.configuration.problem}`));
  if (now.panics > 0) found.push(bad(`${plural(now.panics, "request has", "requests have")} met a fault of Weir itself. Please report it with the log.`));
  if (now.stalled > 1) found.push(bad(`A worker has not come to its tasks for ${duration(now.stalled)}.`));
  if (now.logLinesDropped > 0) found.push(warn(`${plural(now.logLinesDropped, "line", "lines")} of the access log could not be written.`));
  return found;
}

function ofUpstream(upstream) {
  const found = [];
  const down = upstream.servers.filter((server) => isDown(server));
  const taken = upstream.servers.filter((server) => server.state === "DRAINING" || server.state === "DISABLED");
  const up = upstream.servers.length - down.length - taken.length;
  if (upstream.servers.length === 0) {
    found.push(bad(`${upstream.name} has no server: every request for it fails.`));
  } else if (up === 0) {
    found.push(bad(`${upstream.name}: none of ${plural(upstream.servers.length, "server", "servers")} is usable.`));
  }
  for (const server of down.slice(0, 5)) {
    const what = server.is_ejected ? "is ejected" : "is unreachable";
    found.push((up === 0 ? bad : warn)(`${upstream.name}: ${server.address} ${what}${server.reason ? `: ${server.reason}` : ""}.`));
  }
  if (down.length > 5) found.push(warn(`${upstream.name}: and ${down.length - 5} more of its servers.`));
  if (upstream.panic && up > 0) found.push(warn(`${upstream.name}: so few servers are healthy that their health is ignored.`));
  return found;
}

export function isDown(server) {
  return server.state === "UNREACHABLE" || server.is_ejected;
}

function ofAnswers(history) {
  const last = history.moments.slice(-30);
  const all = last.reduce((sum, one) => sum + one.classes.reduce((a, b) => a + b, 0), 0);
  const failed = last.reduce((sum, one) => sum + one.failed, 0);
  if (!failed || failed < all / 1000) return [];
  const text = `${share(failed, all)} of the requests of the last ${last.length} seconds failed.`;
  return [failed > all / 20 ? bad(text) : warn(text)];
}

function ofQueue(queue) {
  const found = [];
  if (queue.dead_writes > 0) found.push(warn(`${queue.name}: ${plural(queue.dead_writes, "write is a dead letter", "writes are dead letters")}.`));
  if (queue.backlog_writes > 0) found.push(warn(`${queue.name}: ${plural(queue.backlog_writes, "write waits", "writes wait")} for a server, the oldest for ${age(queue.oldest_age_seconds)}.`));
  return found;
}

function ofCertificate(certificate, now) {
  const left = certificate.expires_seconds - now;
  const name = certificate.names?.[0] ?? certificate.file;
  if (left <= 0) return [bad(`The certificate of ${name} has expired.`)];
  return left < SOON_SECONDS ? [warn(`The certificate of ${name} expires in ${age(left)}.`)] : [];
}

export function sentence(now, history) {
  const servers = now.upstreams.reduce((sum, one) => sum + one.servers.length, 0);
  const usable = now.upstreams.reduce((sum, one) => sum + one.servers.filter((server) => !isDown(server)).length, 0);
  const last = history.moments.at(-1);
  const pace = last ? `${count(Math.round(history.rate("requests")))} requests a second over ${plural(now.connections, "connection", "connections")}` : `${count(now.requests)} requests so far`;
  const latency = last && last.p50 !== null ? `, half of them within ${duration(last.p50)}, 99 % within ${duration(last.p99)}` : "";
  return `${pace}${latency}. ${usable} of ${plural(servers, "server", "servers")} usable.`;
}
