-- Sends events made from a template; the same script loads both sides, so that the client costs both the same.
-- Arguments: template file, path, header line, prefix (8 characters), batch size, number of fingerprints,
-- requests to send (0: until the time is up), events a second (0: as fast as it goes).
local ffi = require("ffi")
ffi.cdef [[ typedef struct { long s; long us; } instant_t; int gettimeofday(instant_t *, void *); ]]
local instant = ffi.new("instant_t")

local function now()
  ffi.C.gettimeofday(instant, nil)
  return tonumber(instant.s) + tonumber(instant.us) / 1e6
end

local pieces, prefix, batch, kinds, last, rate, path, header
local made, issued, answered, started = 0, 0, 0, nil

local function event()
  made = made + 1
  local text = pieces[1]
  for place = 2, #pieces, 2 do
    local value = pieces[place] == "ID" and string.format("%s%012d", prefix, made)
      or string.format("%06d", made % kinds)
    text = text .. value .. pieces[place + 1]
  end
  return text
end

local function body()
  if batch == 1 then return event() end
  local events = {}
  for place = 1, batch do events[place] = event() end
  return "[" .. table.concat(events, ",") .. "]"
end

function init(args)
  local file = assert(io.open(args[1]))
  local text = file:read("*a")
  file:close()
  path, header, prefix = args[2], args[3], args[4]
  batch, kinds, last, rate = tonumber(args[5]), tonumber(args[6]), tonumber(args[7]), tonumber(args[8])
  pieces = {}
  local at = 1
  while true do
    local from, to, name = text:find("@(%u%u)@", at)
    if not from then break end
    pieces[#pieces + 1], pieces[#pieces + 2] = text:sub(at, from - 1), name
    at = to + 1
  end
  pieces[#pieces + 1] = text:sub(at)
  local length = #body()
  local head = "POST " .. path .. " HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
    .. header .. "\r\nContent-Length: " .. length .. "\r\n\r\n"
  request = function() return head .. body() end
  if last > 0 or rate > 0 then
    -- The n-th request is due at its time, whoever sends it: a slow answer does not thin out the load.
    delay = function()
      started = started or now()
      if last > 0 and issued >= last then return 3600000 end
      local due = rate > 0 and started + issued * batch / rate or 0
      issued = issued + 1
      return math.max(0, math.floor((due - now()) * 1000))
    end
  end
  if last > 0 then
    response = function()
      answered = answered + 1
      if answered == last then
        io.write(string.format("finished %.6f %.6f\n", started, now()))
        io.flush()
      end
    end
  end
end

function done(summary, latency)
  io.write(string.format(
    '{"requests": %d, "seconds": %.6f, "refused": %d, "broken": %d, "p50_ms": %.3f, "p99_ms": %.3f, "max_ms": %.3f}\n',
    summary.requests, summary.duration / 1e6, summary.errors.status,
    summary.errors.connect + summary.errors.read + summary.errors.write + summary.errors.timeout,
    latency:percentile(50) / 1e3, latency:percentile(99) / 1e3, latency.max / 1e3))
end
