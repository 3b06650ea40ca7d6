//! The smallest files that count as what they are: headers written out by hand, no one's media.

/// A PNG of 3 × 2 pixels, up to the end of its header.
pub(super) fn png() -> Vec<u8> {
    let mut png = b"\x89PNG\r\n\x1a\n\x00\x00\x00\x0dIHDR".to_vec();
    png.extend(3_u32.to_be_bytes());
    png.extend(2_u32.to_be_bytes());
    png.extend(b"\x08\x02\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00IEND\xaeB`\x82");
    png
}

/// A JPEG of 5 × 4 pixels, up to its frame header.
pub(super) fn jpeg() -> Vec<u8> {
    let mut jpeg = b"\xff\xd8\xff\xe0\x00\x10JFIF\x00\x01\x01\x00\x00\x01\x00\x01\x00\x00".to_vec();
    jpeg.extend(b"\xff\xc0\x00\x0b\x08\x00\x04\x00\x05\x01\x01\x11\x00\xff\xd9");
    jpeg
}

/// A PDF without pages.
pub(super) fn pdf() -> Vec<u8> {
    b"%PDF-1.4\n1 0 obj<</Type/Catalog>>endobj\ntrailer<</Root 1 0 R>>\n%%EOF\n".to_vec()
}

/// An MP4 without tracks.
pub(super) fn mp4() -> Vec<u8> {
    b"\x00\x00\x00\x18ftypisom\x00\x00\x02\x00isommp41\x00\x00\x00\x08free".to_vec()
}

/// An MP4 of 2.5 seconds with a sound track and a picture track of 640 × 360 pixels.
pub(super) fn film() -> Vec<u8> {
    let mp4_box = |name: &[u8; 4], content: &[u8]| {
        let length = u32::try_from(content.len() + 8).unwrap().to_be_bytes();
        [&length, &name[..], content].concat()
    };
    let header = [&[0; 12][..], &1_000_u32.to_be_bytes(), &2_500_u32.to_be_bytes(), &[0; 80]].concat();
    let track = |width: u32, height: u32| {
        let head = [&[0; 76][..], &(width << 16).to_be_bytes(), &(height << 16).to_be_bytes()].concat();
        mp4_box(b"trak", &mp4_box(b"tkhd", &head))
    };
    let moov = [mp4_box(b"mvhd", &header), track(0, 0), track(640, 360)].concat();
    [mp4_box(b"ftyp", b"isom\0\0\x02\0isommp41"), mp4_box(b"mdat", &[7; 99]), mp4_box(b"moov", &moov)]
        .concat()
}

/// A WAV of half a second.
pub(super) fn sound() -> Vec<u8> {
    let mut wav = wav();
    let length = wav.len();
    wav[length - 4..].copy_from_slice(&4_000_u32.to_le_bytes());
    wav.resize(length + 4_000, 128);
    wav
}

/// A PDF of three pages.
pub(super) fn book() -> Vec<u8> {
    let mut pdf = pdf();
    pdf.extend(b"2 0 obj\n<< /Type /Pages /Count 3 /Kids [] >>\nendobj\n");
    pdf
}

/// A WAV without samples.
pub(super) fn wav() -> Vec<u8> {
    let mut wav = b"RIFF\x24\x00\x00\x00WAVEfmt \x10\x00\x00\x00\x01\x00\x01\x00".to_vec();
    wav.extend(b"\x40\x1f\x00\x00\x40\x1f\x00\x00\x01\x00\x08\x00data\x00\x00\x00\x00");
    wav
}

/// A picture with a script in it.
pub(super) fn svg() -> Vec<u8> {
    b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>".to_vec()
}

/// A PNG blown up to `bytes` with numbers behind its end, so that no stretch is like another.
pub(super) fn large_png(bytes: usize) -> Vec<u8> {
    let mut png = png();
    png.extend((0_u32..).flat_map(u32::to_le_bytes).take(bytes.saturating_sub(png.len())));
    png.truncate(bytes);
    png
}
