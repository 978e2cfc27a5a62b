#!lua name=tallyworks_v1
-- SPDX-License-Identifier: Apache-2.0
--
-- The one Redis function library of Tallyworks. Generic: it knows cursors and
-- commands, no business rule. C encodes the arguments (common/adapters/redis_*.c).
--
-- KEYS[1] is always a shard's meta hash: cursor (R, or the word torn), logic, pin,
-- watermark, broker_time, partitions, rebuilding, claimer, released, trying,
-- tries. Numbers stay text: a Lua number is a double and exact to 2^53 only.
--
-- Redis does not roll back: an error half way leaves the writes before it. So a
-- flush checks everything first, sets cursor to torn, writes absolute values, and
-- sets the new cursor last.

local MOST = 1000 -- values of one unpack()

local allowed = { MSET = true, HSET = true, HDEL = true, ZADD = true, ZREM = true, UNLINK = true }

-- ARGV: our transactional.id, the one that this process left here before ('' for none).
-- Returns the meta as it stood. A claim that finds `trying` of one who neither let
-- go nor is ourselves counts a death.
local function claim(keys, args)
	local meta = keys[1]
	local found = redis.call('HMGET', meta, 'claimer', 'released', 'trying')
	local claimer, released, trying = found[1], found[2], found[3]
	if trying and not released and claimer and claimer ~= '' and claimer ~= args[1] and claimer ~= args[2] then
		redis.call('HINCRBY', meta, 'tries', 1)
	end
	local before = redis.call('HGETALL', meta)
	redis.call('HSET', meta, 'claimer', args[1])
	redis.call('HDEL', meta, 'released')
	return before
end

-- KEYS[2..]: what to load. ARGV: the two values that R may have ('' is absent), then
-- runs of a kind and a count: d(ocuments) or h(ashes).
-- Returns R, and where it is one of the two, an answer for each key.
local function load(keys, args)
	local r = redis.call('HGET', keys[1], 'cursor')
	local out = { r }
	if (r or '') ~= args[1] and (r or '') ~= args[2] then
		return out
	end
	local k, n = 2, 1
	for a = 3, #args, 2 do
		local count = tonumber(args[a + 1])
		while count > 0 do
			local some = 1
			if args[a] == 'd' then
				some = math.min(count, MOST)
				local values = redis.call('MGET', unpack(keys, k, k + some - 1))
				for i = 1, some do
					out[n + i] = values[i]
				end
			else
				out[n + 1] = redis.call('HGETALL', keys[k])
			end
			k, n, count = k + some, n + some, count - some
		end
	end
	return out
end

-- Are args[at..] whole commands, each as its length, its name, its arguments?
local function well_formed(args, at)
	local last = #args
	while at <= last do
		local length = tonumber(args[at])
		if not length or length < 2 or length > MOST or at + length > last or not allowed[args[at + 1]] then
			return false
		end
		at = at + length + 1
	end
	return true
end

-- KEYS[2]: the asof hash. ARGV: R as the caller knows it ('' is absent), the asof
-- field and value ('' for none), how many arguments the meta's fields take, those,
-- then the commands.
-- Returns OK, or REFUSED where R is another.
local function flush(keys, args)
	local meta = keys[1]
	local r = redis.call('HGET', meta, 'cursor') or ''
	if r ~= args[1] then
		return redis.status_reply('REFUSED')
	end
	local first = 5
	local after = first + tonumber(args[4])
	if not well_formed(args, after) then
		return redis.error_reply('ERR malformed flush')
	end
	local at, last = after, #args
	if at <= last then
		redis.call('HSET', meta, 'cursor', 'torn')
		while at <= last do
			local length = tonumber(args[at])
			redis.call(unpack(args, at + 1, at + length))
			at = at + length + 1
		end
	end
	if args[2] ~= '' then
		redis.call('HSET', keys[2], args[2], args[3])
	end
	redis.call('HSET', meta, unpack(args, first, after - 1))
	return redis.status_reply('OK')
end

-- ARGV: the offset about to be tried, or '' when the trying is over.
-- Returns the meta as it stands then.
local function try(keys, args)
	local meta = keys[1]
	if args[1] == '' then
		redis.call('HDEL', meta, 'trying', 'tries')
	else
		if redis.call('HGET', meta, 'trying') ~= args[1] then
			redis.call('HDEL', meta, 'tries')
		end
		redis.call('HSET', meta, 'trying', args[1])
	end
	return redis.call('HGETALL', meta)
end

-- ARGV: our transactional.id, then '' and keys to remove, or 'last'. Only for the
-- one who holds the claim. The claim and what is being tried outlive the wipe.
local function wipe(keys, args)
	local meta = keys[1]
	if (redis.call('HGET', meta, 'claimer') or '') ~= args[1] then
		return redis.status_reply('REFUSED')
	end
	if args[2] == 'last' then
		redis.call('HDEL', meta, 'cursor', 'logic', 'pin', 'watermark', 'broker_time', 'partitions', 'rebuilding',
			'released')
		return redis.status_reply('OK')
	end
	-- Also where there was no R: a late flush must not bring one meanwhile.
	redis.call('HSET', meta, 'cursor', 'torn')
	for at = 3, #args, MOST do
		redis.call('UNLINK', unpack(args, at, math.min(at + MOST - 1, #args)))
	end
	return redis.status_reply('OK')
end

redis.register_function('tallyworks_claim', claim)
redis.register_function{ function_name = 'tallyworks_load', callback = load, flags = { 'no-writes' } }
redis.register_function('tallyworks_flush', flush)
redis.register_function('tallyworks_try', try)
redis.register_function('tallyworks_wipe', wipe)
