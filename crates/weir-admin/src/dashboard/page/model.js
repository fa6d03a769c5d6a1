// What the admin listener says, as the page uses it. The one file that knows the shapes of the API.

const CLASSES = ["2xx", "3xx", "4xx", "5xx"];
// Statuses of requests that failed: of servers or of Weir, or none because the connection broke.
const FAILED = ["5xx", "none"];

export function model(said) {
  const counters = new Map([["requests", said.requests_total]]);
  let failed = 0;
  for (const route of said.routes) {
    const key = routeKey(route.service, route.route);
    const wrong = FAILED.reduce((sum, name) => sum + (route.requests_by_class[name] ?? 0), 0);
    counters.set(key, Object.values(route.requests_by_class).reduce((sum, one) => sum + one, 0));
    counters.set(`failed ${key}`, wrong);
    failed += wrong;
  }
  counters.set("failed", failed);
  for (const upstream of said.upstreams) {
    for (const server of upstream.servers) counters.set(serverKey(upstream.name, server.address), server.requests_total);
  }
  return {
    at: said.at_seconds,
    version: said.version,
    uptime: said.uptime_seconds,
    ready: said.ready,
    workers: said.workers,
    listeners: said.listeners,
    connections: said.connections_open,
    requests: said.requests_total,
    panics: said.panics_total,
    stalled: said.stalled_seconds,
    logLinesDropped: said.log_lines_dropped,
    counters,
    classes: CLASSES.map((name) => said.answers_by_class[name] ?? 0),
    durations: said.request_duration.counts,
    upstreams: said.upstreams,
    serversLeftOut: said.servers_left_out,
    certificates: said.certificates,
    configuration: said.configuration,
    queues: said.queues,
    failures: said.failures,
  };
}

// Services with their routes, of a page of routes.
export function site(page) {
  const services = new Map();
  for (const route of page.routes) {
    if (!services.has(route.service)) services.set(route.service, { name: route.service, routes: [] });
    services.get(route.service).routes.push({
      name: route.name,
      action: route.action,
      modes: [...new Set(Object.values(route.dispatch))],
      upstreams: route.upstream ? [route.upstream] : [],
    });
  }
  return [...services.values()];
}

export const routeKey = (service, route) => `route ${service} ${route}`;
export const serverKey = (upstream, address) => `server ${upstream} ${address}`;
