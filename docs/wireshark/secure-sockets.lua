-- Wireshark and tshark dissectors for both protocols of secure-sockets; README.md beside this file tells how to use them.
-- Labels such as M1 and R2 are those of docs/protocol.md. Nothing is decrypted here: open-capture.mjs does that.

local sealed = Proto("sealed", "Sealed (secure-sockets)")
local classic = Proto("classic", "Classic (secure-sockets)")

sealed.prefs.opened = Pref.string("Opened records", "", "The file that open-capture.mjs wrote for this capture")

-- With "-X lua_script1:export=FILE" each encrypted record goes into that file, for open-capture.mjs.
local export
for _, argument in ipairs({ ... }) do
  local path = tostring(argument):match("^export=(.*)$")
  if path then export = assert(io.open(path, "w")) end
end

local suites = {
  [0x0101] = "X25519",
  [0x0102] = "X25519MLKEM768",
  [0x0103] = "X25519-CHACHA20",
  [0x0104] = "X25519MLKEM768-CHACHA20",
}
for i = 0, 15 do suites[(i * 16 + 10) * 0x0101] = "reserved" end
local messageTypes = {
  [1] = "CLIENT_HELLO", [2] = "SERVER_HELLO", [3] = "SERVER_IDENTITY", [4] = "CLIENT_KEY",
  [5] = "CLIENT_AUTH", [6] = "CLIENT_FINISHED", [7] = "SERVER_FINISHED", [15] = "REJECT",
}
local recordTypes = { [1] = "HANDSHAKE", [2] = "DATA", [3] = "KEY_UPDATE", [4] = "PING", [5] = "PONG", [6] = "CLOSE", [7] = "TICKET",
  [8] = "PADDED" }
local rejectCodes = { [1] = "no common suite", [2] = "busy" }
local clientAuth = { [0] = "not asked for", [1] = "optional", [2] = "required" }

-- What a record in the clear tells by its place (A handshake without keys is still known by its order).
local places = {
  client = { { "CLIENT_KEY", "c_hs", 3 }, { "CLIENT_AUTH", "c_ahs", 3 }, { "CLIENT_FINISHED", "c_ahs", 3 } },
  server = { { "SERVER_IDENTITY", "s_hs", 2 }, { "SERVER_FINISHED or CLOSE", "s_ahs", 4 } },
}

-- The same where SERVER_HELLO accepts a ticket (T3): a round trip less, and no keys in between.
local resumedPlaces = {
  client = { { "CLIENT_AUTH", "c_hs", 3 }, { "CLIENT_FINISHED", "c_hs", 3 } },
  server = { { "SERVER_IDENTITY", "s_hs", 2 }, { "SERVER_FINISHED", "s_hs", 2 } },
}

local f = {
  flight = ProtoField.uint8("sealed.flight", "Flight"),
  from = ProtoField.string("sealed.from", "From"),
  type = ProtoField.uint8("sealed.handshake.type", "Handshake message", base.DEC, messageTypes),
  layout = ProtoField.uint8("sealed.handshake.layout", "Layout"),
  length = ProtoField.uint16("sealed.handshake.length", "Length of the body"),
  random = ProtoField.bytes("sealed.random", "Random"),
  offered = ProtoField.uint16("sealed.suites", "Suite offered", base.HEX, suites),
  suite = ProtoField.uint16("sealed.suite", "Suite", base.HEX, suites),
  x25519 = ProtoField.bytes("sealed.x25519", "X25519 public key"),
  mlkem = ProtoField.bytes("sealed.mlkem", "ML-KEM-768"),
  reject = ProtoField.uint8("sealed.reject", "Reason", base.DEC, rejectCodes),
  client = ProtoField.uint8("sealed.client_auth", "Client identity", base.DEC, clientAuth),
  maxMessage = ProtoField.uint32("sealed.max_message", "max_message"),
  maxRecord = ProtoField.uint32("sealed.max_record", "max_record"),
  spki = ProtoField.bytes("sealed.spki", "Public key (SubjectPublicKeyInfo)"),
  identified = ProtoField.bool("sealed.identified", "Identified"),
  signature = ProtoField.bytes("sealed.signature", "Signature"),
  rsa = ProtoField.bytes("sealed.rsa", "RSA ciphertext"),
  mac = ProtoField.bytes("sealed.mac", "MAC"),
  extensions = ProtoField.bytes("sealed.extensions", "Extensions"),
  number = ProtoField.uint32("sealed.record.number", "Record of this direction"),
  size = ProtoField.uint24("sealed.record.length", "Length with tag"),
  under = ProtoField.string("sealed.record.key", "Key"),
  record = ProtoField.uint8("sealed.record.type", "Record type", base.DEC, recordTypes),
  close = ProtoField.uint16("sealed.close", "Close code"),
  padded = ProtoField.uint24("sealed.padded.length", "Bytes of the message stream"),
  zeros = ProtoField.uint32("sealed.padded.zeros", "Bytes of padding"),
  lifetime = ProtoField.uint32("sealed.ticket.lifetime", "Seconds until the chain ends"),
  nonce = ProtoField.bytes("sealed.ticket.nonce", "Nonce"),
  ticket = ProtoField.bytes("sealed.ticket", "Ticket"),
  message = ProtoField.bytes("sealed.message", "Message"),
  text = ProtoField.string("sealed.message.text", "Text"),
  total = ProtoField.uint32("sealed.message.length", "Length of the message"),
  part = ProtoField.string("sealed.message.part", "Part of a message"),
}
sealed.fields = f

local malformed = ProtoExpert.new("sealed.malformed", "Malformed", expert.group.MALFORMED, expert.severity.ERROR)
local unopened = ProtoExpert.new("sealed.unopened", "Not decrypted", expert.group.UNDECODED, expert.severity.NOTE)
sealed.experts = { malformed, unopened }

local c = {
  from = ProtoField.string("classic.from", "From"),
  pickle = ProtoField.bytes("classic.key", "RSA key of the server, a pickle"),
  bits = ProtoField.uint16("classic.key.bits", "Bits of the modulus, at most"),
  session = ProtoField.bytes("classic.session_key", "Session key, encrypted"),
  number = ProtoField.uint32("classic.frame.number", "Frame of this direction"),
  size = ProtoField.uint32("classic.frame.length", "Length of the ciphertext"),
  message = ProtoField.bytes("classic.message", "Message"),
  text = ProtoField.string("classic.message.text", "Text"),
}
classic.fields = c

-- State of connections. A record is known by its frame and its place in it, so that dissecting again gives the same.
local stream = Field.new("tcp.stream")
local connections, seen, opened

local function hex(range) return range:bytes():tohex(true) end

-- Lines of open-capture.mjs: connection, direction, number of the record, name of its key, plaintext.
local function readOpened(path)
  local lines = {}
  if path == "" then return lines end
  local file, problem = io.open(path)
  if not file then report_failure("sealed: " .. problem) return lines end
  for line in file:lines() do
    local id, from, number, key, plaintext = line:match("^(%x+) (%a+) (%d+) (%S+) (%x*)$")
    if id then lines[id .. from .. number] = { key = key, hex = plaintext } end
  end
  file:close()
  return lines
end

function sealed.init()
  connections, seen = {}, {}
  opened = readOpened(sealed.prefs.opened)
end

local function connection(protocol)
  local id = protocol .. stream().value
  connections[id] = connections[id] or { client = { count = 0 }, server = { count = 0 } }
  return connections[id]
end

-- The n-th piece that is dissected of this frame: the table lives as long as one dissection of it.
local function place(pinfo)
  local n = tonumber(pinfo.private["secure_sockets"] or "0") + 1
  pinfo.private["secure_sockets"] = tostring(n)
  return pinfo.number .. "." .. n
end

local function sender(pinfo) return tostring(pinfo.src) .. " " .. pinfo.src_port end

local function plaintextOf(of)
  local found = of.id and opened[of.id .. of.from .. of.number]
  if not found then return nil end
  return ByteArray.new(found.hex), found.key
end

local function exportRecord(of, suite, range)
  if not export or not of.id then return end
  export:write(of.id, " ", of.from, " ", of.number, " ", suite, " ", hex(range), "\n")
  export:flush()
end

-- A whole message, as bytes and, if it is one, as text.
local function addMessage(tree, fields, range)
  if range:len() == 0 then tree:add(fields.text, ""):append_text("(a message of 0 bytes)") return end
  tree:add(fields.message, range)
  local text = range:raw()
  if not text:find("[%z\1-\8\14-\31\127]") then tree:add(fields.text, range, text) end
end

-- Handshake messages (M0 to M15)

local function vec16(tree, field, tvb, at)
  local size = tvb(at, 2):uint()
  if size > 0 then tree:add(field, tvb(at + 2, size)) end
  return at + 2 + size
end

local bodies = {
  [1] = function(tree, tvb)
    tree:add(f.random, tvb(8, 32))
    local count = tvb(40, 1):uint()
    for i = 0, count - 1 do tree:add(f.offered, tvb(41 + 2 * i, 2)) end
    tree:add(f.x25519, tvb(41 + 2 * count, 32))
    vec16(tree, f.extensions, tvb, vec16(tree, f.mlkem, tvb, 73 + 2 * count))
  end,
  [2] = function(tree, tvb)
    tree:add(f.random, tvb(8, 32))
    tree:add(f.suite, tvb(40, 2))
    tree:add(f.x25519, tvb(42, 32))
    vec16(tree, f.extensions, tvb, vec16(tree, f.mlkem, tvb, 74))
  end,
  [3] = function(tree, tvb)
    tree:add(f.client, tvb(8, 1))
    tree:add(f.maxMessage, tvb(9, 4))
    tree:add(f.maxRecord, tvb(13, 4))
    vec16(tree, f.extensions, tvb, vec16(tree, f.spki, tvb, 17))
  end,
  [4] = function(tree, tvb) vec16(tree, f.rsa, tvb, 8) end,
  [5] = function(tree, tvb)
    tree:add(f.maxMessage, tvb(8, 4))
    tree:add(f.maxRecord, tvb(12, 4))
    tree:add(f.identified, tvb(16, 1))
    vec16(tree, f.extensions, tvb, vec16(tree, f.signature, tvb, vec16(tree, f.spki, tvb, 17)))
  end,
  [6] = function(tree, tvb) tree:add(f.mac, tvb(8, 32)) end,
  [7] = function(tree, tvb) tree:add(f.mac, tvb(8, 32)) end,
  [15] = function(tree, tvb) tree:add(f.reject, tvb(8, 1)) end,
}

local function handshakeMessage(tree, tvb)
  local kind = tvb(4, 1):uint()
  tree:add(f.type, tvb(4, 1))
  tree:add(f.layout, tvb(5, 1))
  tree:add(f.length, tvb(6, 2))
  local body = bodies[kind]
  if not body then tree:add_proto_expert_info(malformed, "unknown type " .. kind) return "?" end
  if not pcall(body, tree, tvb) then tree:add_proto_expert_info(malformed, "a field goes beyond its message") end
  return messageTypes[kind]
end

-- Records (R1 to R8)

-- The stream of messages (R3). What a record adds is found out once, in the order of the records, and kept.
local function takeData(of, direction, raw)
  of.items = {}
  local held, at = direction.held or "", 1
  local partOf = #held
  held = held .. raw
  while #held - at + 1 >= 4 do
    local size = Struct.unpack(">I4", held, at)
    if #held - at + 1 < 4 + size then break end
    table.insert(of.items, { whole = held:sub(at + 4, at + 3 + size), begun = at <= partOf })
    at = at + 4 + size
  end
  direction.held = held:sub(at)
  of.rest = direction.held
end

local function addItems(tree, of)
  local names = {}
  for _, item in ipairs(of.items) do
    local branch = tree:add(f.total, #item.whole)
    if item.begun then branch:append_text(", which began in an earlier record") end
    local bytes = ByteArray.new(item.whole, true)
    if #item.whole == 0 then branch:add(f.text, "")
    else addMessage(branch, f, bytes:tvb("Message of " .. #item.whole .. " bytes")()) end
    table.insert(names, "message of " .. #item.whole)
  end
  if #of.rest >= 4 then
    local size = Struct.unpack(">I4", of.rest, 1)
    tree:add(f.part, ("%d of %d bytes so far"):format(#of.rest - 4, size))
  elseif #of.rest > 0 then
    tree:add(f.part, #of.rest .. " bytes of a length so far")
  end
  return #names > 0 and table.concat(names, ", ") or "part of a message"
end

-- Padding (R8): only the bytes that it announces belong to the stream of messages.
local function padded(tree, of, direction, payload)
  local size = payload and payload:len() >= 3 and payload(0, 3):uint()
  if not size or 3 + size > payload:len() then
    tree:add_proto_expert_info(malformed, "PADDED with less than it announces")
    return "PADDED"
  end
  tree:add(f.padded, payload(0, 3))
  tree:add(f.zeros, payload:len() - 3 - size):set_generated()
  if size == 0 then return "PADDED (cover traffic)" end
  if not of.items then takeData(of, direction, payload(3, size):raw()) end
  return "PADDED (" .. addItems(tree, of) .. ")"
end

-- Tickets (T4)
local function ticket(tree, payload)
  if not payload or payload:len() < 14 or payload:len() ~= 14 + payload(12, 2):uint() then
    tree:add_proto_expert_info(malformed, "a TICKET of another length than it announces")
    return "TICKET"
  end
  tree:add(f.lifetime, payload(0, 4))
  tree:add(f.nonce, payload(4, 8))
  vec16(tree, f.ticket, payload, 12)
  return "TICKET"
end

local function addPlaintext(tree, of, direction, plaintext)
  local tvb = plaintext:tvb(recordTypes[plaintext:get_index(0)] or "Record")
  local kind = tvb(0, 1):uint()
  tree:add(f.record, tvb(0, 1))
  local payload = tvb:len() > 1 and tvb(1):tvb()
  if kind == 1 then return handshakeMessage(tree, payload) end
  if kind == 2 then
    if not of.items then takeData(of, direction, payload():raw()) end
    return "DATA (" .. addItems(tree, of) .. ")"
  end
  if kind == 8 then return padded(tree, of, direction, payload) end
  if kind == 7 then return ticket(tree, payload) end
  if kind == 6 then
    tree:add(f.close, payload(0, 2))
    return "CLOSE " .. payload(0, 2):uint()
  end
  return recordTypes[kind] or ("type " .. kind)
end

local function encryptedRecord(tree, tvb, of, direction)
  local known = of.places[of.from][of.number + 1]
  tree:add(f.number, of.number)
  tree:add(f.size, tvb(0, 3))
  if known then tree:add(f.flight, known[3]):set_generated() end
  local plaintext, key = plaintextOf(of)
  tree:add(f.under, key or (known and known[2]) or (of.from == "client" and "c_ap" or "s_ap")):set_generated()
  if plaintext then return addPlaintext(tree, of, direction, plaintext) end
  tree:add_proto_expert_info(unopened, "no plaintext for this record: see README.md of the dissector")
  return known and known[1] or ("record of " .. tvb:len() .. " bytes")
end

-- A message in the clear begins with SEAL, which no record may: its length would be beyond every limit (M0, R1).
local function isBare(tvb, at) return tvb:len() - at >= 3 and tvb(at, 3):string() == "SEA" end

local function sizeOf(tvb, at)
  local there = tvb:len() - at
  if there < 3 then return nil end
  if not isBare(tvb, at) then return 3 + tvb(at, 3):uint() end
  if there < 8 then return nil end
  return 8 + tvb(at + 6, 2):uint()
end

local function noteBare(of, link, tvb, pinfo)
  local kind = tvb(4, 1):uint()
  if kind == 1 then link.sender, link.id = sender(pinfo), tvb:len() >= 40 and hex(tvb(8, 32)) or nil end
  if kind == 2 and tvb:len() >= 76 then
    link.suite = tvb(40, 2):uint()
    local at = 76 + tvb(74, 2):uint() + 2
    link.resumed = tvb:len() >= at + 2 and tvb(tvb:len() - 4, 4):uint() == 0xfffe0000
  end
  of.bare = true
end

-- Finds out, once, what this piece is: later passes ask for the same.
local function pieceOf(pinfo, link, tvb)
  local id = place(pinfo)
  if seen[id] then return seen[id] end
  local of = {}
  if isBare(tvb, 0) then noteBare(of, link, tvb, pinfo) end
  of.from = link.sender == sender(pinfo) and "client" or "server"
  if not of.bare then
    of.id, of.number = link.id, link[of.from].count
    link[of.from].count = of.number + 1
    of.places = link.resumed and resumedPlaces or places
    exportRecord(of, ("%04x"):format(link.suite or 0) .. (link.resumed and "+resumed" or ""), tvb())
  end
  seen[id] = of
  return of
end

local function sealedPiece(tvb, pinfo, tree)
  local link = connection("sealed")
  local of = pieceOf(pinfo, link, tvb)
  local branch = tree:add(sealed, tvb())
  branch:add(f.from, of.from):set_generated()
  local name
  if of.bare then
    branch:add(f.flight, of.from == "client" and 1 or 2):set_generated()
    name = handshakeMessage(branch, tvb)
  else
    name = encryptedRecord(branch, tvb, of, link[of.from])
  end
  branch:append_text(", " .. name)
  pinfo.cols.info:append((" %s: %s"):format(of.from, name))
end

-- Cuts what TCP brings into pieces, and asks for more where one is not complete.
local function pieces(tvb, pinfo, tree, size, piece)
  local at = 0
  while at < tvb:len() do
    local length = size(tvb, at)
    if not length or at + length > tvb:len() then
      pinfo.desegment_offset = at
      pinfo.desegment_len = length and (at + length - tvb:len()) or DESEGMENT_ONE_MORE_SEGMENT
      return tvb:len()
    end
    piece(tvb(at, length):tvb(), pinfo, tree)
    at = at + length
  end
  return at
end

function sealed.dissector(tvb, pinfo, tree)
  pinfo.cols.protocol = "SEALED"
  pinfo.cols.info = ""
  return pieces(tvb, pinfo, tree, sizeOf, sealedPiece)
end

sealed:register_heuristic("tcp", function(tvb, pinfo, tree)
  if tvb:len() < 6 or tvb(0, 4):string() ~= "SEAL" or tvb(4, 1):uint() ~= 1 or tvb(5, 1):uint() ~= 1 then return false end
  pinfo.conversation = sealed
  sealed.dissector(tvb, pinfo, tree)
  return true
end)

-- Classic (K1 to K3)

-- The pickle ends with a full stop, which may stand in a number as well: the server says nothing else before the client
-- has answered, so what it says first is the pickle as soon as its last byte is that.
local function classicSize(link, from)
  return function(tvb, at)
    if from == "server" and not link.greeted then
      return tvb(tvb:len() - 1, 1):uint() == 0x2e and tvb:len() - at or nil
    end
    if from == "client" and not link.answered then
      return link.modulus and tvb:len() - at >= link.modulus and link.modulus or nil
    end
    local digits = tonumber(tvb(at, 1):string())
    if not digits or digits == 0 then return tvb:len() - at end
    if tvb:len() - at < 1 + digits then return nil end
    return 1 + digits + (tonumber(tvb(at + 1, digits):string()) or 0)
  end
end

-- The length of the modulus: the first long integer, behind 8a and a byte or 8b and four (K1).
local function modulusLength(raw)
  local at = raw:find("PublicKey", 1, true) or 1
  local start = raw:find("[\138\139]", at)
  if not start then return nil end
  local count, from = raw:byte(start + 1), start + 2
  if raw:byte(start) == 139 then count, from = Struct.unpack("<I4", raw, start + 1), start + 5 end
  if from + count - 1 > #raw then return nil end
  if raw:byte(from + count - 1) == 0 then count = count - 1 end
  return count
end

local function classicPieceOf(pinfo, link, tvb, from)
  local id = place(pinfo)
  if seen[id] then return seen[id] end
  local of = { from = from }
  if from == "server" and not link.greeted then
    of.kind, link.greeted, link.modulus = "key", true, modulusLength(tvb():raw())
    of.modulus = link.modulus
  elseif from == "client" and not link.answered then
    of.kind, link.answered, link.id = "session", true, hex(tvb(0, 32))
  else
    of.kind, of.id, of.number = "frame", link.id, link[from].count
    link[from].count = of.number + 1
    local digits = tonumber(tvb(0, 1):string()) or 0
    of.digits = digits
    if tvb:len() > 1 + digits then exportRecord(of, "classic", tvb(1 + digits)) end
  end
  seen[id] = of
  return of
end

local function classicFrame(branch, tvb, of)
  branch:add(c.number, of.number)
  if tvb:len() <= 1 + of.digits then return "no frame" end
  branch:add(c.size, tvb(1, of.digits), tvb:len() - 1 - of.digits)
  local plaintext = plaintextOf(of)
  if not plaintext then
    branch:add_proto_expert_info(unopened, "no plaintext for this frame: see README.md of the dissector")
    return "frame of " .. tvb:len() .. " bytes"
  end
  if plaintext:len() > 0 then addMessage(branch, c, plaintext:tvb("Message")()) else branch:add(c.text, "") end
  return "message of " .. plaintext:len()
end

local function classicPiece(link, from)
  return function(tvb, pinfo, tree)
    local of = classicPieceOf(pinfo, link, tvb, from)
    local branch = tree:add(classic, tvb())
    branch:add(c.from, from):set_generated()
    local name
    if of.kind == "key" then
      branch:add(c.pickle, tvb())
      if of.modulus then branch:add(c.bits, 8 * of.modulus):set_generated() end
      name = "RSA key"
    elseif of.kind == "session" then
      branch:add(c.session, tvb())
      name = "session key"
    else
      name = classicFrame(branch, tvb, of)
    end
    branch:append_text(", " .. name)
    pinfo.cols.info:append((" %s: %s"):format(from, name))
  end
end

function classic.dissector(tvb, pinfo, tree)
  pinfo.cols.protocol = "CLASSIC"
  pinfo.cols.info = ""
  local link = connection("classic")
  link.server.name = link.server.name or sender(pinfo)
  local from = sender(pinfo) == link.server.name and "server" or "client"
  return pieces(tvb, pinfo, tree, classicSize(link, from), classicPiece(link, from))
end

classic.experts = {}
classic:register_heuristic("tcp", function(tvb, pinfo, tree)
  local raw = tvb():raw()
  local begins = raw:find("^\128[\2-\5]") or raw:find("^c[a-z_]+")
  if not begins or not raw:find("rsa.key", 1, true) or not raw:find("PublicKey", 1, true) then return false end
  pinfo.conversation = classic
  classic.dissector(tvb, pinfo, tree)
  return true
end)

DissectorTable.get("tcp.port"):add_for_decode_as(sealed)
DissectorTable.get("tcp.port"):add_for_decode_as(classic)
