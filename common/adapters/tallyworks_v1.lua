#!lua name=tallyworks_v1
-- SPDX-License-Identifier: Apache-2.0
--
-- The one Redis function library of Tallyworks. Generic: it knows cursors, no
-- business rule. C encodes the arguments (common/adapters/redis_*.c). A flush is a
-- transaction of Redis, not a function: see redis_flush.h.
--
-- KEYS[1] is always a shard's meta hash: cursor (R, or the word torn), logic, pin,
-- watermark, broker_time, partitions, rebuilding, claimer, released, trying,
-- tries. Numbers stay text: a Lua number is a double and exact to 2^53 only.

local MOST = 1000 -- values of one unpack()

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

-- ARGV: R as a flush set it that Redis refused half way. Another R: someone has
-- repaired it already.
local function tear(keys, args)
	if redis.call('HGET', keys[1], 'cursor') == args[1] then
		redis.call('HSET', keys[1], 'cursor', 'torn')
	end
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
redis.register_function('tallyworks_tear', tear)
redis.register_function('tallyworks_try', try)
redis.register_function('tallyworks_wipe', wipe)
