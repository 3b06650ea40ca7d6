//! MD5 (RFC 1321), with the sums of each step in the order that keeps the chain from one step to the next short.
//!
//! It is what limits large uploads, and this is a quarter faster than the crate that serves everywhere else. Nothing
//! here relies on it to be hard to forge: the provider's API calls for it.

/// How far each round turns, step by step.
const TURNS: [[u32; 4]; 4] = [[7, 12, 17, 22], [5, 9, 14, 20], [4, 11, 16, 23], [6, 10, 15, 21]];

/// The word that the first step of each round takes, and how far on the next one is.
const WORDS: [(usize, usize); 4] = [(0, 1), (1, 5), (5, 3), (0, 7)];

/// The whole part of 2³² · |sin(i + 1)|.
#[rustfmt::skip]
const SINES: [u32; 64] = [
    0xd76a_a478, 0xe8c7_b756, 0x2420_70db, 0xc1bd_ceee, 0xf57c_0faf, 0x4787_c62a, 0xa830_4613, 0xfd46_9501,
    0x6980_98d8, 0x8b44_f7af, 0xffff_5bb1, 0x895c_d7be, 0x6b90_1122, 0xfd98_7193, 0xa679_438e, 0x49b4_0821,
    0xf61e_2562, 0xc040_b340, 0x265e_5a51, 0xe9b6_c7aa, 0xd62f_105d, 0x0244_1453, 0xd8a1_e681, 0xe7d3_fbc8,
    0x21e1_cde6, 0xc337_07d6, 0xf4d5_0d87, 0x455a_14ed, 0xa9e3_e905, 0xfcef_a3f8, 0x676f_02d9, 0x8d2a_4c8a,
    0xfffa_3942, 0x8771_f681, 0x6d9d_6122, 0xfde5_380c, 0xa4be_ea44, 0x4bde_cfa9, 0xf6bb_4b60, 0xbebf_bc70,
    0x289b_7ec6, 0xeaa1_27fa, 0xd4ef_3085, 0x0488_1d05, 0xd9d4_d039, 0xe6db_99e5, 0x1fa2_7cf8, 0xc4ac_5665,
    0xf429_2244, 0x432a_ff97, 0xab94_23a7, 0xfc93_a039, 0x655b_59c3, 0x8f0c_cc92, 0xffef_f47d, 0x8584_5dd1,
    0x6fa8_7e4f, 0xfe2c_e6e0, 0xa301_4314, 0x4e08_11a1, 0xf753_7e82, 0xbd3a_f235, 0x2ad7_d2bb, 0xeb86_d391,
];

const BLOCK: usize = 64;

/// A hash that is being fed.
#[derive(Clone, Debug)]
pub(super) struct Md5 {
    state: [u32; 4],
    /// What does not fill a block yet.
    rest: Vec<u8>,
    bytes: u64,
}

impl Md5 {
    pub(super) const fn new() -> Self {
        let state = [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476];
        Self { state, rest: Vec::new(), bytes: 0 }
    }

    /// Adds what comes next.
    pub(super) fn update(&mut self, mut input: &[u8]) {
        self.bytes = self.bytes.wrapping_add(input.len() as u64);
        if !self.rest.is_empty() {
            let missing = BLOCK - self.rest.len();
            let (now, later) = input.split_at(missing.min(input.len()));
            self.rest.extend_from_slice(now);
            input = later;
            if let Ok(block) = <[u8; BLOCK]>::try_from(self.rest.as_slice()) {
                self.compress(&[block]);
                self.rest.clear();
            }
        }
        let (blocks, rest) = input.as_chunks();
        self.compress(blocks);
        self.rest.extend_from_slice(rest);
    }

    /// The hash, in hexadecimal.
    pub(super) fn into_hex(mut self) -> String {
        let bits = self.bytes.wrapping_mul(8);
        let zeros = (2 * BLOCK - 9 - self.rest.len()) % BLOCK;
        let padding = [&[0x80][..], &[0; BLOCK][..zeros], &bits.to_le_bytes()].concat();
        self.update(&padding);
        hex::encode(self.state.map(u32::to_le_bytes).as_flattened())
    }

    fn compress(&mut self, blocks: &[[u8; BLOCK]]) {
        // The compiler moves constants it knows to the end of a sum, where the next step waits for them.
        let sines = std::hint::black_box(&SINES);
        for block in blocks {
            let (words, _) = block.as_chunks();
            let words = std::array::from_fn(|index| u32::from_le_bytes(words[index]));
            let mut state = self.state;
            round::<0>(&mut state, &words, sines, |b, c, d| d ^ (b & (c ^ d)));
            // The two have no bit in common, and a sum can be begun before `b` is known.
            round::<1>(&mut state, &words, sines, |b, c, d| (c & !d).wrapping_add(b & d));
            round::<2>(&mut state, &words, sines, |b, c, d| b ^ (c ^ d));
            round::<3>(&mut state, &words, sines, |b, c, d| c ^ (b | !d));
            for (sum, new) in self.state.iter_mut().zip(state) {
                *sum = sum.wrapping_add(new);
            }
        }
    }
}

/// Sixteen steps.
#[inline]
fn round<const ROUND: usize>(
    state: &mut [u32; 4],
    words: &[u32; 16],
    sines: &[u32; 64],
    mix: impl Fn(u32, u32, u32) -> u32,
) {
    let [mut a, mut b, mut c, mut d] = *state;
    let (first, stride) = WORDS[ROUND];
    for index in 0..16 {
        // What does not depend on the step before comes first.
        let sum =
            a.wrapping_add(sines[16 * ROUND + index]).wrapping_add(words[(first + stride * index) % 16]);
        let turned = sum.wrapping_add(mix(b, c, d)).rotate_left(TURNS[ROUND][index % 4]);
        (a, b, c, d) = (d, turned.wrapping_add(b), b, c);
    }
    *state = [a, b, c, d];
}

#[cfg(test)]
mod tests {
    use md5::Digest as _;
    use proptest::prelude::*;

    use super::*;

    fn hash(pieces: &[&[u8]]) -> String {
        let mut md5 = Md5::new();
        for piece in pieces {
            md5.update(piece);
        }
        md5.into_hex()
    }

    #[test]
    fn the_examples_of_the_rfc_come_out() {
        for (text, expected) in [
            ("", "d41d8cd98f00b204e9800998ecf8427e"),
            ("a", "0cc175b9c0f1b6a831c399e269772661"),
            ("abc", "900150983cd24fb0d6963f7d28e17f72"),
            ("message digest", "f96b697d7cb7938d525a2f31aaf161d0"),
            ("abcdefghijklmnopqrstuvwxyz", "c3fcd3d76192e4007dfb496cca67e13b"),
        ] {
            assert_eq!(hash(&[text.as_bytes()]), expected, "{text}");
        }
    }

    #[test]
    fn every_length_around_a_block_is_padded_right() {
        for length in 0..200 {
            let bytes = vec![0xa5; length];
            assert_eq!(hash(&[&bytes]), hex::encode(md5::Md5::digest(&bytes)), "{length}");
        }
    }

    proptest! {
        #[test]
        fn pieces_hash_like_the_whole(pieces in proptest::collection::vec(any::<Vec<u8>>(), 0..8)) {
            let pieces: Vec<_> = pieces.iter().map(Vec::as_slice).collect();
            prop_assert_eq!(hash(&pieces), hex::encode(md5::Md5::digest(pieces.concat())));
        }
    }
}
