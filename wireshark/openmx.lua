-- Wireshark's and tshark's view of Open-MX: the frames of EtherType 0x86DF, as docs/wire.md describes them.
--
-- README.md beside this file says how to install it. The tables below are made from the structures of the crate mx-wire,
-- whose test `the_dissectors_tables_are_those_of_the_codec` compares them; what follows them is written by hand.
-- SPDX-License-Identifier: MIT OR Apache-2.0

-- The tables begin here.
local ETHERTYPE = 0x86df
local PULL_MAGIC = 0x21071980
local MX_PIPELINE = 12
local NATIVE_MEDIUM_MAX = 262144
local TYPES = {
  [1] = "RAW",
  [2] = "MAPPER_NIC_REPLY",
  [3] = "HOST_QUERY",
  [4] = "HOST_REPLY",
  [32] = "ETHERNET_UNICAST",
  [33] = "ETHERNET_MULTICAST",
  [34] = "ETHERNET_NATIVE",
  [35] = "TRUC",
  [36] = "CONNECT",
  [37] = "TINY",
  [38] = "SMALL",
  [39] = "MEDIUM",
  [40] = "RNDV",
  [41] = "PULL",
  [42] = "PULL_REPLY",
  [43] = "NOTIFY",
  [44] = "NACK_LIB",
  [45] = "NACK_MCP",
}
local DIRECTIONS = {
  [0] = "request",
  [1] = "reply",
}
local STATUSES = {
  [0] = "success",
  [11] = "bad key",
}
local CODES = {
  [1] = "bad endpoint",
  [2] = "endpoint closed",
  [3] = "bad session",
  [4] = "bad window",
}
-- Filter name, name in docs/wire.md, bytes, how it is shown.
local FIELDS = {
  { "ack", "Acknowledgement", 2, base.DEC },
  { "ack_number", "Ack number", 4, base.DEC },
  { "acked_session", "Session, again", 4, base.HEX },
  { "block_length", "Block length", 4, base.DEC },
  { "checksum", "Checksum", 2, base.HEX },
  { "code", "Code", 1, base.DEC, CODES },
  { "connect_number", "Connect number", 1, base.DEC },
  { "connector_session", "Connector's session", 4, base.HEX },
  { "data_length", "Data length", 2, base.DEC },
  { "destination", "Destination endpoint", 1, base.DEC },
  { "direction", "Direction", 1, base.DEC, DIRECTIONS },
  { "first_frame_offset", "First frame offset", 4, base.DEC },
  { "fragment", "Fragment number", 1, base.DEC },
  { "fragment_length", "Fragment length", 2, base.DEC },
  { "frame_index", "Frame index", 4, base.DEC },
  { "frame_seqnum", "Frame seqnum", 1, base.DEC },
  { "generation", "Generation", 1, base.DEC },
  { "handle", "Handle", 4, base.HEX },
  { "key", "Key", 4, base.HEX },
  { "magic", "Magic", 4, base.HEX },
  { "match_info", "Match info", 8, base.HEX },
  { "message_length", "Message length", 4, base.DEC },
  { "message_offset", "Message offset", 4, base.DEC },
  { "name_length", "Name length", 1, base.DEC },
  { "next_expected", "Next expected", 2, base.DEC },
  { "nic_id_high", "NIC id, high half", 4, base.HEX },
  { "nic_id_low", "NIC id, low half", 4, base.HEX },
  { "peer_index", "Peer index", 2, base.DEC },
  { "pipeline", "Pipeline", 1, base.DEC },
  { "resent", "Resent", 1, base.DEC },
  { "send_seq", "Send seq", 2, base.DEC },
  { "sender_index", "Sender index", 2, base.DEC },
  { "seq", "Sequence number", 2, base.DEC },
  { "serial", "Serial", 4, base.HEX },
  { "session", "Session", 4, base.HEX },
  { "source", "Source endpoint", 1, base.DEC },
  { "status", "Status", 1, base.DEC, STATUSES },
  { "subtype", "Sub-type", 1, base.HEX },
  { "total", "Total", 4, base.DEC },
  { "transferred", "Transferred", 4, base.DEC },
  { "type", "Packet type", 1, base.DEC, TYPES },
  { "window", "Window", 4, base.DEC },
  { "window_offset", "Window offset", 4, base.DEC },
  { "window_seqnum", "Window seqnum", 1, base.DEC },
}
-- From F+14 on.
local SENDER_INDEX = { 0, 2, "sender_index" }
-- Offset in the body, bytes, filter name.
local LAYOUTS = {
  ["RAW"] = {
    { 0, 1, "type" },
  },
  ["beacon"] = {
    { 16, 4, "nic_id_high" },
    { 20, 4, "nic_id_low" },
    { 24, 4, "serial" },
  },
  ["HOST_QUERY"] = {
    { 0, 1, "type" },
    { 2, 2, "peer_index" },
    { 8, 4, "magic" },
  },
  ["HOST_REPLY"] = {
    { 0, 1, "type" },
    { 1, 1, "name_length" },
    { 2, 2, "peer_index" },
    { 8, 4, "magic" },
  },
  ["TRUC"] = {
    { 0, 1, "type" },
    { 1, 1, "destination" },
    { 2, 1, "source" },
    { 3, 1, "generation" },
    { 4, 1, "data_length" },
    { 8, 4, "session" },
    { 12, 1, "subtype" },
    { 14, 2, "ack" },
    { 16, 4, "acked_session" },
    { 20, 4, "ack_number" },
    { 24, 2, "send_seq" },
    { 26, 1, "resent" },
  },
  ["CONNECT request"] = {
    { 0, 1, "type" },
    { 1, 1, "destination" },
    { 2, 1, "source" },
    { 3, 1, "generation" },
    { 4, 1, "data_length" },
    { 8, 2, "seq" },
    { 10, 2, "peer_index" },
    { 16, 4, "connector_session" },
    { 20, 4, "key" },
    { 24, 2, "next_expected" },
    { 26, 1, "direction" },
    { 27, 1, "connect_number" },
  },
  ["CONNECT reply"] = {
    { 0, 1, "type" },
    { 1, 1, "destination" },
    { 2, 1, "source" },
    { 3, 1, "generation" },
    { 4, 1, "data_length" },
    { 8, 2, "seq" },
    { 10, 2, "peer_index" },
    { 16, 4, "connector_session" },
    { 20, 4, "session" },
    { 24, 2, "next_expected" },
    { 26, 1, "direction" },
    { 27, 1, "connect_number" },
    { 28, 1, "status" },
  },
  ["TINY"] = {
    { 0, 1, "type" },
    { 1, 1, "destination" },
    { 2, 1, "source" },
    { 3, 1, "generation" },
    { 4, 2, "data_length" },
    { 6, 2, "checksum" },
    { 8, 2, "seq" },
    { 10, 2, "ack" },
    { 12, 8, "match_info" },
    { 20, 4, "session" },
  },
  ["SMALL"] = {
    { 0, 1, "type" },
    { 1, 1, "destination" },
    { 2, 1, "source" },
    { 3, 1, "generation" },
    { 4, 2, "data_length" },
    { 6, 2, "checksum" },
    { 8, 2, "seq" },
    { 10, 2, "ack" },
    { 12, 8, "match_info" },
    { 20, 4, "session" },
  },
  ["MEDIUM"] = {
    { 0, 1, "type" },
    { 1, 1, "destination" },
    { 2, 1, "source" },
    { 3, 1, "generation" },
    { 4, 4, "message_length" },
    { 8, 2, "seq" },
    { 10, 2, "ack" },
    { 12, 8, "match_info" },
    { 20, 4, "session" },
    { 24, 2, "fragment_length" },
    { 26, 1, "fragment" },
    { 28, 2, "checksum" },
  },
  ["MEDIUM MX-wire"] = {
    { 0, 1, "type" },
    { 1, 1, "destination" },
    { 2, 1, "source" },
    { 3, 1, "generation" },
    { 4, 2, "message_length" },
    { 8, 2, "seq" },
    { 10, 2, "ack" },
    { 12, 8, "match_info" },
    { 20, 4, "session" },
    { 24, 2, "fragment_length" },
    { 26, 1, "fragment" },
    { 27, 1, "pipeline" },
    { 28, 2, "checksum" },
  },
  ["RNDV"] = {
    { 0, 1, "type" },
    { 1, 1, "destination" },
    { 2, 1, "source" },
    { 3, 1, "generation" },
    { 4, 2, "data_length" },
    { 6, 2, "checksum" },
    { 8, 2, "seq" },
    { 10, 2, "ack" },
    { 12, 8, "match_info" },
    { 20, 4, "session" },
    { 24, 4, "message_length" },
    { 28, 1, "window" },
    { 29, 1, "window_seqnum" },
    { 30, 2, "window_offset" },
  },
  ["PULL"] = {
    { 0, 1, "type" },
    { 1, 1, "destination" },
    { 2, 1, "source" },
    { 3, 1, "generation" },
    { 4, 4, "session" },
    { 8, 4, "total" },
    { 12, 4, "window" },
    { 16, 1, "window_seqnum" },
    { 20, 4, "window_offset" },
    { 24, 4, "handle" },
    { 28, 4, "magic" },
    { 32, 4, "first_frame_offset" },
    { 36, 4, "block_length" },
    { 40, 4, "frame_index" },
  },
  ["PULL MX-wire"] = {
    { 0, 1, "type" },
    { 1, 1, "destination" },
    { 2, 1, "source" },
    { 3, 1, "generation" },
    { 4, 4, "session" },
    { 8, 4, "total" },
    { 12, 1, "window" },
    { 13, 1, "window_seqnum" },
    { 14, 2, "window_offset" },
    { 16, 4, "handle" },
    { 20, 4, "magic" },
    { 24, 2, "first_frame_offset" },
    { 26, 2, "block_length" },
    { 28, 4, "frame_index" },
  },
  ["PULL_REPLY"] = {
    { 0, 1, "type" },
    { 1, 1, "frame_seqnum" },
    { 2, 2, "data_length" },
    { 4, 4, "message_offset" },
    { 8, 4, "handle" },
    { 12, 4, "magic" },
  },
  ["NOTIFY"] = {
    { 0, 1, "type" },
    { 1, 1, "destination" },
    { 2, 1, "source" },
    { 3, 1, "generation" },
    { 4, 4, "session" },
    { 8, 4, "transferred" },
    { 12, 1, "window" },
    { 13, 1, "window_seqnum" },
    { 18, 2, "seq" },
    { 20, 2, "ack" },
  },
  ["NACK_LIB"] = {
    { 0, 1, "type" },
    { 1, 1, "source" },
    { 2, 1, "generation" },
    { 3, 1, "code" },
    { 9, 1, "destination" },
    { 10, 2, "sender_index" },
    { 12, 2, "seq" },
  },
  ["NACK_MCP"] = {
    { 0, 1, "type" },
    { 1, 1, "source" },
    { 2, 1, "generation" },
    { 3, 1, "code" },
    { 8, 4, "handle" },
    { 12, 4, "magic" },
  },
}
-- Bytes of each.
local SIZES = {
  ["RAW"] = 1,
  ["beacon"] = 48,
  ["HOST_QUERY"] = 16,
  ["HOST_REPLY"] = 16,
  ["TRUC"] = 28,
  ["CONNECT request"] = 32,
  ["CONNECT reply"] = 32,
  ["TINY"] = 24,
  ["SMALL"] = 24,
  ["MEDIUM"] = 32,
  ["MEDIUM MX-wire"] = 32,
  ["RNDV"] = 32,
  ["PULL"] = 44,
  ["PULL MX-wire"] = 32,
  ["PULL_REPLY"] = 16,
  ["NOTIFY"] = 24,
  ["NACK_LIB"] = 16,
  ["NACK_MCP"] = 16,
}
-- The tables end here.

-- The info column: what the crate's Display says of each packet. {field} is decimal, {field:x} eight hexadecimal digits,
-- {field:n} the field's name in its table.
local ENDS = "{source} > {destination}"
local MESSAGE = ENDS .. ", session {session:x}, seq {seq}, ack {ack}, "
local TRANSFER = ", handle {handle:x}, magic {magic:x}"
local WINDOW = "window {window} use {window_seqnum}"
local PULL = ENDS .. ", session {session:x}, {block_length} of {total} bytes of " .. WINDOW
  .. " at {window_offset}, frame {frame_index} at {first_frame_offset}" .. TRANSFER
local MEDIUM = MESSAGE .. "match {match_info:x}, fragment {fragment} of {message_length} bytes, length {fragment_length}"
local INFO = {
  ["HOST_QUERY"] = "peer {peer_index}, magic {magic:x}",
  ["HOST_REPLY"] = "peer {peer_index}, magic {magic:x}",
  ["TRUC"] = ENDS .. ", session {session:x}, ack {ack}, number {ack_number}",
  ["CONNECT request"] = ENDS .. ", peer {peer_index}, from session {connector_session:x}, key {key:x}, "
    .. "expects {next_expected}, connect {connect_number}",
  ["CONNECT reply"] = ENDS .. ", peer {peer_index}, from session {session:x}, {status:n}, "
    .. "to session {connector_session:x}, expects {next_expected}, connect {connect_number}",
  ["TINY"] = MESSAGE .. "match {match_info:x}, length {data_length}",
  ["SMALL"] = MESSAGE .. "match {match_info:x}, length {data_length}",
  ["MEDIUM"] = MEDIUM,
  ["MEDIUM MX-wire"] = MEDIUM,
  ["RNDV"] = MESSAGE .. "match {match_info:x}, {message_length} bytes in " .. WINDOW .. " at {window_offset}",
  ["PULL"] = PULL,
  ["PULL MX-wire"] = PULL,
  ["PULL_REPLY"] = "frame {frame_seqnum} at {message_offset}" .. TRANSFER .. ", length {data_length}",
  ["NOTIFY"] = MESSAGE .. "{transferred} bytes pulled of " .. WINDOW,
  ["NACK_LIB"] = ENDS .. ", {code:n}, seq {seq}",
  ["NACK_MCP"] = "{code:n}, from {source}" .. TRANSFER,
}

-- Which field says how many bytes follow the header.
local DATA = {
  ["TINY"] = "data_length",
  ["SMALL"] = "data_length",
  ["MEDIUM"] = "fragment_length",
  ["MEDIUM MX-wire"] = "fragment_length",
  ["PULL_REPLY"] = "data_length",
  ["HOST_REPLY"] = "name_length",
}

local openmx = Proto("openmx", "Open-MX")
local fields = {}
for _, field in ipairs(FIELDS) do
  local name, label, size, show, names = table.unpack(field)
  fields[name] = ProtoField["uint" .. 8 * size]("openmx." .. name, label, show, names)
end
fields.data = ProtoField.bytes("openmx.data", "Data")
fields.name = ProtoField.string("openmx.name", "Name")
openmx.fields = fields

local problem = ProtoExpert.new("openmx.problem", "A receiver drops this frame",
  expert.group.MALFORMED, expert.severity.WARN)
openmx.experts = { problem }

-- Nothing in a frame names its format, but the frames that differ can be told apart.
openmx.prefs.wire = Pref.enum("Wire format", 0, "Which layout MEDIUM and PULL frames have", {
  { 1, "Told by each frame", 0 },
  { 2, "Native", 1 },
  { 3, "MX-wire", 2 },
}, false)

local function is_mx_wire(kind, body)
  if openmx.prefs.wire ~= 0 then
    return openmx.prefs.wire == 2
  end
  if kind == "MEDIUM" and body:len() >= SIZES["MEDIUM"] then
    local total = body(4, 4):uint()
    return body(27, 1):uint() == MX_PIPELINE and (total > NATIVE_MEDIUM_MAX or total % 0x10000 == 0)
  end
  -- A magic is a constant with an endpoint in its lowest byte.
  if kind == "PULL" and body:len() >= SIZES["PULL MX-wire"] then
    local high = math.floor(PULL_MAGIC / 0x100)
    local native = body:len() >= SIZES["PULL"] and body(28, 3):uint() == high
    return not native and body(20, 3):uint() == high
  end
  return false
end

-- The layout of a body whose type is known.
local function layout_of(kind, body)
  if kind == "CONNECT" then
    local reply = body:len() > 26 and body(26, 1):uint() == 1
    return reply and "CONNECT reply" or "CONNECT request"
  end
  return is_mx_wire(kind, body) and kind .. " MX-wire" or kind
end

-- Shows a field, and keeps what it holds: a number, or of more than 32 bits the digits.
local function show(tree, tvb, entry, values)
  local offset, size, name = table.unpack(entry)
  local range = tvb(offset, size)
  tree:add(fields[name], range)
  values[name] = size > 4 and range:uint64():tohex(16) or range:uint()
end

local function name_of(field, number)
  if field == "status" then
    return STATUSES[number] or string.format("unknown status %d", number)
  end
  -- Of a code that does not exist, the nearest that does.
  return CODES[math.max(1, math.min(number, #CODES))]
end

local function filled(template, values)
  return (template:gsub("{([%w_]+):?(%w*)}", function(field, how)
    local value = values[field]
    if type(value) == "string" then
      return value
    elseif how == "x" then
      return string.format("%08x", value)
    elseif how == "n" then
      return name_of(field, value)
    end
    return string.format("%d", value)
  end))
end

-- A name as it may be shown, whatever its bytes are.
local ESCAPES = { ["\t"] = "\\t", ["\r"] = "\\r", ["\n"] = "\\n", ["'"] = "\\'", ['"'] = '\\"', ["\\"] = "\\\\" }
local function printable(bytes)
  return (bytes:gsub(".", function(byte)
    local plain = byte:byte() >= 32 and byte:byte() < 127
    return ESCAPES[byte] or plain and byte or string.format("\\x%02x", byte:byte())
  end))
end

-- What follows the header, in a body that had so many bytes when it was captured, maybe not whole. Says what is to be told
-- of it, and whether all that was announced was in the frame.
local function show_data(tree, body, reported, layout, values)
  local size = SIZES[layout]
  local announced = DATA[layout] and values[DATA[layout]] or 0
  if layout == "RAW" then
    announced = reported - size
  end
  local captured = math.min(announced, body:len() - size)
  local text = ""
  if layout == "RAW" then
    text = string.format(" length %d", announced)
    if captured >= SIZES["beacon"] - size then
      local high = body(16, 4):uint()
      local address = string.format("%04x%08x", high % 0x10000, body(20, 4):uint()):gsub("(%x%x)", ":%1"):sub(2)
      local group = math.floor(high / 0x100) % 2 == 1
      if high <= 0xffff and not group then
        for _, entry in ipairs(LAYOUTS["beacon"]) do
          show(tree, body, entry, values)
        end
        return string.format("%s, beacon of %s, serial %08x", text, address, values.serial), true
      end
    end
  end
  if captured > 0 then
    if layout == "HOST_REPLY" then
      -- The last byte stands for the NUL, whatever it is.
      local name = captured > 1 and printable(body:raw(size, captured - 1)) or ""
      tree:add(fields.name, body(size, captured), name)
      text = ", name " .. name
    else
      tree:add(fields.data, body(size, captured))
    end
  end
  return text, announced <= reported - size
end

function openmx.dissector(tvb, pinfo, root)
  pinfo.cols.protocol = "Open-MX"
  local tree = root:add(openmx, tvb())
  local function refused(text)
    pinfo.cols.info = text
    tree:add_proto_expert_info(problem, text)
  end
  local values = {}
  if tvb:len() < 3 then
    return refused(string.format("%d bytes, no packet type", tvb:len()))
  end
  show(tree, tvb, SENDER_INDEX, values)
  local body_at = SENDER_INDEX[2]
  local body = tvb(body_at):tvb()
  local number = body(0, 1):uint()
  local kind = TYPES[number]
  if not kind then
    return refused(string.format("unknown packet type %d", number))
  elseif not SIZES[kind] and kind ~= "CONNECT" then
    return refused(string.format("%s, which Open-MX does not serve", kind))
  end
  local layout = layout_of(kind, body)
  if body:len() < SIZES[layout] then
    return refused(string.format("%s, %d bytes of a header of %d", kind, body:len(), SIZES[layout]))
  end
  for _, entry in ipairs(LAYOUTS[layout]) do
    show(tree, body, entry, values)
  end
  local text = layout:gsub(" MX%-wire", "")
  if INFO[layout] then
    text = text .. " " .. filled(INFO[layout], values)
  end
  local more, whole = show_data(tree, body, tvb:reported_len() - body_at, layout, values)
  text = text .. more
  pinfo.cols.info = text
  tree:append_text(": " .. text)
  if not whole then
    tree:add_proto_expert_info(problem, "The frame ends before the data that its header announces")
  elseif values.direction and not DIRECTIONS[values.direction] then
    tree:add_proto_expert_info(problem, "A CONNECT that is neither request nor reply")
  elseif values.acked_session and values.acked_session ~= values.session then
    tree:add_proto_expert_info(problem, "A TRUC whose two sessions differ")
  end
end

DissectorTable.get("ethertype"):add(ETHERTYPE, openmx)
