-- files.lua: for wrk. Sends the API key, which it reads from a file so that no process list shows it; with a body, each
-- request is a PUT under a name of its own.
--     wrk ... -s files.lua URL -- HEADER-FILE [BODY-FILE]
local function read(name)
	local file = assert(io.open(name, "rb"))
	local text = file:read("*a")
	file:close()
	return text
end

function init(args)
	local name, value = read(args[1]):match("^([^:]+): ([^\r\n]+)")
	wrk.headers[name] = value
	if not args[2] then return end
	local body, count = read(args[2]), 0
	-- Defined only now: without it wrk makes the request once and sends that.
	function request()
		count = count + 1
		return wrk.format("PUT", wrk.path .. count, nil, body)
	end
end
