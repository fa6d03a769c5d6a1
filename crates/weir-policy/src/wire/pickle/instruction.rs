//! The instructions that are refused, by their names in Python's `pickletools`.

/// What an instruction that the reader does not have is called.
pub(super) fn name(code: u8) -> &'static str {
    match code {
        b'c' => "GLOBAL",
        0x93 => "STACK_GLOBAL",
        b'R' => "REDUCE",
        b'b' => "BUILD",
        b'i' => "INST",
        b'o' => "OBJ",
        0x81 => "NEWOBJ",
        0x92 => "NEWOBJ_EX",
        0x82..=0x84 => "EXT",
        b'P' => "PERSID",
        b'Q' => "BINPERSID",
        b'2' => "DUP",
        b'0' => "POP",
        b'1' => "POP_MARK",
        b'B' | b'C' | 0x8e => "BYTES",
        0x8f..=0x91 => "SET",
        0x96 => "BYTEARRAY8",
        0x97 | 0x98 => "BUFFER",
        _ => "an unknown instruction",
    }
}
