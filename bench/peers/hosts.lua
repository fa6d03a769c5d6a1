-- What the load generator `wrk` asks for in the scenario `hosts`: each of @COUNT@ hosts with each of @ROUTES@ routes, in an order
-- in which neighbours are far apart. All requests are made before the first is sent.
local hosts, routes = @COUNT@, @ROUTES@
local requests, at = {}, 0

function init()
   for number = 0, hosts * routes - 1 do
      local host, route = number % hosts, math.floor(number / hosts)
      requests[number] = wrk.format("GET", "/route" .. route .. "/item", { Host = "host" .. host .. ".example.com" })
   end
end

function request()
   -- A prime, so that every one has its turn.
   at = (at + 38197) % (hosts * routes)
   return requests[at]
end
