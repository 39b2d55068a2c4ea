-- The twelve windows for Redis: what is known of a key is one packed value, so that a check costs one MGET and a SET a key.
-- Counts keep their latest 64 times; sums and maxima sixteen sub-windows and the one that is leaving; sets sixteen values.
-- KEYS: account, device, address and, where the event has one, the pair. ARGV: time, kind, amount, account, counterparty.
local time, kind, amount = tonumber(ARGV[1]), ARGV[2], tonumber(ARGV[3])
local claim, transfer = kind == 'claim', kind == 'transfer'
local pays = transfer or kind == 'pay'
local MINUTE, HOUR, DAY = 60000, 3600000, 86400000

local function count(times, takes, window)
  local first, last = 1, #times
  while first <= last and times[first] <= time - window do first = first + 1 end
  if takes and last - first + 1 == 64 then first = first + 1 end
  if first > 1 then
    local kept = last - first + 1
    for at = 1, kept do times[at] = times[at + first - 1] end
    for at = kept + 1, last do times[at] = nil end
    last = kept
  end
  if takes then
    last = last + 1
    times[last] = time
  end
  return last
end

-- Cells are pairs of sub-window and number, oldest first.
local function turn(cells, takes, window)
  local epoch = math.floor(time / (window / 16))
  local first, last = 1, #cells
  while first <= last and cells[first] < epoch - 16 do first = first + 2 end
  if first > 1 then
    local kept = last - first + 1
    for at = 1, kept do cells[at] = cells[at + first - 1] end
    for at = kept + 1, last do cells[at] = nil end
    last = kept
  end
  if takes and cells[last - 1] ~= epoch then
    cells[last + 1], cells[last + 2] = epoch, 0
    last = last + 2
  end
  return last
end

local function sum(cells, takes, window)
  local last, total = turn(cells, takes, window), 0
  if takes then cells[last] = cells[last] + amount end
  for at = 2, last, 2 do total = total + cells[at] end
  return total
end

local function max(cells, takes, window)
  local last, most = turn(cells, takes, window), 0
  if takes and cells[last] < amount then cells[last] = amount end
  for at = 2, last, 2 do
    if cells[at] > most then most = cells[at] end
  end
  return most
end

-- Sets are pairs of value and the time it was last seen.
local function set(pairs, takes, value, window)
  local kept, found, oldest = 0, nil, nil
  local last = #pairs
  for at = 1, last, 2 do
    if pairs[at + 1] > time - window then
      pairs[kept + 1], pairs[kept + 2] = pairs[at], pairs[at + 1]
      if pairs[kept + 1] == value then found = kept end
      if not oldest or pairs[kept + 2] < pairs[oldest + 2] then oldest = kept end
      kept = kept + 2
    end
  end
  for at = kept + 1, last do pairs[at] = nil end
  if takes and value ~= '' then
    if not found then
      found = kept < 32 and kept or oldest
      pairs[found + 1] = value
      if found == kept then kept = kept + 2 end
    end
    pairs[found + 2] = time
  end
  return kept / 2
end

local held = redis.call('MGET', unpack(KEYS))
local function open(at, parts)
  if held[at] then return cmsgpack.unpack(held[at]) end
  local fresh = {}
  for part = 1, parts do fresh[part] = {} end
  return fresh
end

local account, device, address = open(1, 4), open(2, 3), open(3, 3)
local values = {
  count(account[1], claim, 10 * MINUTE),
  count(account[2], transfer, HOUR),
  sum(account[3], pays, DAY),
  set(account[4], pays, ARGV[5], DAY),
  count(device[1], claim, 10 * MINUTE),
  set(device[2], true, ARGV[4], DAY),
  count(device[3], kind == 'login' or kind == 'bind', HOUR),
  count(address[1], true, MINUTE),
  count(address[2], claim, 10 * MINUTE),
  sum(address[3], kind == 'withdraw', DAY),
}
-- A value lives as long as its longest window.
redis.call('SET', KEYS[1], cmsgpack.pack(account), 'PX', DAY)
redis.call('SET', KEYS[2], cmsgpack.pack(device), 'PX', DAY)
redis.call('SET', KEYS[3], cmsgpack.pack(address), 'PX', DAY)
if KEYS[4] then
  local pair = open(4, 2)
  values[11] = count(pair[1], transfer, 7 * DAY)
  values[12] = max(pair[2], pays, 7 * DAY)
  redis.call('SET', KEYS[4], cmsgpack.pack(pair), 'PX', 7 * DAY)
end
return values
