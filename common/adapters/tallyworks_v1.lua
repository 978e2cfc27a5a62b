#!lua name=tallyworks_v1
-- SPDX-License-Identifier: Apache-2.0
--
-- The one Redis function library of Tallyworks. Generic: it knows cursors, no
-- business rule. C encodes the arguments (common/adapters/redis_*.c). A flush is a
-- transaction of Redis, not a function: see redis_flush.h.
--
-- KEYS[1] is always a shard's meta hash: cursor (R, or one of the words torn and
-- empty), logic, pin, watermark, broker_time, partitions, rebuilding, claimer (a
-- transactional.id), claim (which of its claims), released, trying and tried
-- (offsets "from-until"), tries. No cursor matches none: it may be lost while the
-- shard's keys are not. Numbers stay text: a Lua number is a double and exact to 2^53
-- only.

local MOST = 1000 -- values of one unpack()

-- Does this very claim stand? Calls of an earlier one may arrive late.
local function is_claimed(meta, claimer, claim)
	local found = redis.call('HMGET', meta, 'claimer', 'claim')
	return found[1] == claimer and found[2] == claim
end

-- ARGV: our transactional.id, the one that this process left here before ('' for none),
-- the number of this claim.
-- Returns the meta as it stood, and `died` where the claimer died (it neither let go
-- nor was ourselves) as one before it did, with R where it still is (`fell`), or while
-- it was trying. What it was trying then is charged with its death, once.
local function claim(keys, args)
	local meta = keys[1]
	local found = redis.call('HMGET', meta, 'claimer', 'released', 'trying', 'tried', 'cursor', 'fell')
	local claimer, released, trying, tried = found[1] or '', found[2], found[3], found[4]
	local died = claimer ~= '' and not released and claimer ~= args[1] and claimer ~= args[2]
	local r = found[5] or ''
	if died and trying and trying == tried then
		redis.call('HINCRBY', meta, 'tries', 1)
	elseif died and trying then
		redis.call('HSET', meta, 'tried', trying, 'tries', 1)
	end
	redis.call('HDEL', meta, 'trying')
	local before = redis.call('HGETALL', meta)
	if died and (trying or found[6] == r) then
		before[#before + 1] = 'died'
		before[#before + 1] = '1'
	end
	if died then
		redis.call('HSET', meta, 'fell', r)
	end
	redis.call('HSET', meta, 'claimer', args[1], 'claim', args[3])
	redis.call('HDEL', meta, 'released')
	return before
end

-- ARGV: our transactional.id and claim, the name that stood here before. Returns the meta.
local function unclaim(keys, args)
	if is_claimed(keys[1], args[1], args[2]) then
		redis.call('HSET', keys[1], 'claimer', args[3])
	end
	return redis.call('HGETALL', keys[1])
end

-- KEYS[2..]: what to load. ARGV: the two values that R may have, then
-- runs of a kind and a count: d(ocuments) or h(ashes).
-- Returns R, and where it is one of the two, an answer for each key.
local function load(keys, args)
	local r = redis.call('HGET', keys[1], 'cursor')
	local out = { r }
	if r ~= args[1] and r ~= args[2] then
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

-- ARGV: our transactional.id and claim, the offsets about to be tried, or '' when that is over.
-- Returns the meta as it stands then.
local function try(keys, args)
	local meta = keys[1]
	if is_claimed(meta, args[1], args[2]) then
		if args[3] == '' then
			redis.call('HDEL', meta, 'trying')
		else
			redis.call('HSET', meta, 'trying', args[3])
		end
	end
	return redis.call('HGETALL', meta)
end

-- KEYS[2]: the due-time index. ARGV: how many of its earliest members.
-- Returns R ('' for none), then members and scores.
local function due(keys, args)
	local out = redis.call('ZRANGE', keys[2], 0, args[1] - 1, 'WITHSCORES')
	table.insert(out, 1, redis.call('HGET', keys[1], 'cursor') or '')
	return out
end

-- ARGV: our transactional.id and claim, then '' and keys to remove, or 'last'. Only
-- for the one who holds the claim. The claim and what is being tried outlive the wipe.
local function wipe(keys, args)
	local meta = keys[1]
	if not is_claimed(meta, args[1], args[2]) then
		return redis.status_reply('REFUSED')
	end
	if args[3] == 'last' then
		redis.call('HDEL', meta, 'logic', 'pin', 'watermark', 'broker_time', 'partitions', 'rebuilding',
			'released')
		redis.call('HSET', meta, 'cursor', 'empty')
		return redis.status_reply('OK')
	end
	-- Also where there was no R: a late flush must not bring one meanwhile.
	redis.call('HSET', meta, 'cursor', 'torn')
	for at = 4, #args, MOST do
		redis.call('UNLINK', unpack(args, at, math.min(at + MOST - 1, #args)))
	end
	return redis.status_reply('OK')
end

redis.register_function('tallyworks_claim', claim)
redis.register_function('tallyworks_unclaim', unclaim)
redis.register_function{ function_name = 'tallyworks_load', callback = load, flags = { 'no-writes' } }
redis.register_function('tallyworks_try', try)
redis.register_function{ function_name = 'tallyworks_due', callback = due, flags = { 'no-writes' } }
redis.register_function('tallyworks_wipe', wipe)
