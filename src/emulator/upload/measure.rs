//! What a file says about itself beside its kind: how large a picture is, how long a film, how many pages a document.
//!
//! ```text
//! pictures           width and height                 by `imagesize`; one that is cut off before them is no picture
//! MP4, MOV, M4A      moov/mvhd: time scale, duration; moov/trak/tkhd: width and height of the largest track
//! WAV                "fmt ": bytes a second; "data": bytes
//! PDF                /Count of the page tree's root, or else the objects of /Type /Page
//! ```
//!
//! The rest stays unknown: other films and sounds would need a decoder, and a PDF may keep its page tree compressed.

use std::io::{self, BufReader, Read, Seek, SeekFrom};

use tokio::task::spawn_blocking;

use crate::delivery::ResourceType;

use super::super::refusal::Refusal;
use super::super::store::Incoming;
use super::content::Kind;

/// How many boxes or chunks are looked at, of those side by side.
const MAX_BOXES: usize = 1_000;

/// How much is read at a time: heads are short, and far from one another.
const HEAD_BYTES: usize = 256;

/// Largest PDF that is looked through.
const MAX_PDF_BYTES: u64 = 32 * 1024 * 1024;

/// What was found out about a file.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(in crate::emulator) struct Measures {
    /// Width and height in pixels.
    pub dimensions: Option<(u32, u32)>,
    pub pages: Option<u32>,
    /// In seconds.
    pub duration: Option<f64>,
}

impl Kind {
    /// Measures a file of this kind.
    pub(super) async fn measure(&self, content: &Incoming) -> Result<Measures, Refusal> {
        let (kind, content) = (self.clone(), content.reader());
        match spawn_blocking(move || kind.measure_file(content)).await {
            Ok(Some(measures)) => Ok(measures),
            _ => Err(Refusal::InvalidImage),
        }
    }

    /// `None` for a picture that does not tell its size although its format would.
    fn measure_file(&self, content: impl Read + Seek) -> Option<Measures> {
        match (self.resource_type, self.content_type) {
            (ResourceType::Image, "application/pdf") => {
                Some(Measures { pages: pages(content), ..Measures::default() })
            }
            (ResourceType::Image, _) if self.tells_its_size() => {
                let size = imagesize::reader_size(BufReader::new(content)).ok()?;
                let dimensions = (u32::try_from(size.width).ok()?, u32::try_from(size.height).ok()?);
                Some(Measures { dimensions: Some(dimensions), ..Measures::default() })
            }
            (ResourceType::Video, "audio/x-wav") => {
                Some(Measures { duration: wav_duration(content).ok().flatten(), ..Measures::default() })
            }
            (ResourceType::Video, "video/mp4" | "video/x-m4v" | "video/quicktime" | "audio/m4a") => {
                Some(film(content).unwrap_or_default())
            }
            _ => Some(Measures::default()),
        }
    }

    /// Whether `imagesize` reads this format.
    fn tells_its_size(&self) -> bool {
        matches!(
            self.content_type,
            "image/jpeg"
                | "image/png"
                | "image/gif"
                | "image/webp"
                | "image/bmp"
                | "image/tiff"
                | "image/vnd.adobe.photoshop"
                | "image/vnd.microsoft.icon"
                | "image/heif"
                | "image/avif"
                | "image/jxl"
        )
    }
}

/// A part of a file that says what it is and how long it is.
struct Section {
    name: [u8; 4],
    start: u64,
    end: u64,
}

/// The sections between `start` and `end`, each read by `read_head`, which leaves the file at the section's content.
fn sections<R: Read + Seek>(
    file: &mut BufReader<R>,
    (start, end): (u64, u64),
    read_head: fn(&mut BufReader<R>, u64) -> io::Result<Section>,
) -> Vec<Section> {
    let (mut found, mut next) = (Vec::new(), start);
    while next < end && found.len() < MAX_BOXES {
        let Ok(section) = file.seek(SeekFrom::Start(next)).and_then(|_| read_head(file, end)) else { break };
        if section.end <= next {
            break;
        }
        next = section.end;
        found.push(section);
    }
    found
}

fn take<const N: usize>(file: &mut BufReader<impl Read>) -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    file.read_exact(&mut bytes)?;
    Ok(bytes)
}

/// A box of an MP4: its length with its head, its name, and a longer length where the first is 1; 0 is the rest.
fn mp4_box(file: &mut BufReader<impl Read + Seek>, end: u64) -> io::Result<Section> {
    let start = file.stream_position()?;
    let length = u64::from(u32::from_be_bytes(take(file)?));
    let name = take(file)?;
    let length = match length {
        0 => end - start,
        1 => u64::from_be_bytes(take(file)?),
        length => length,
    };
    Ok(Section { name, start: file.stream_position()?, end: start.saturating_add(length) })
}

/// Duration and size of a film. A sound in the same clothes has no size.
fn film(content: impl Read + Seek) -> io::Result<Measures> {
    let mut file = BufReader::with_capacity(HEAD_BYTES, content);
    let length = file.seek(SeekFrom::End(0))?;
    let mut measures = Measures::default();
    for moov in sections(&mut file, (0, length), mp4_box).iter().filter(|one| one.name == *b"moov") {
        for section in sections(&mut file, (moov.start, moov.end.min(length)), mp4_box) {
            match &section.name {
                b"mvhd" => measures.duration = duration(&mut file, &section)?,
                b"trak" => {
                    let size = track_size(&mut file, &section, length)?;
                    measures.dimensions = measures.dimensions.max(size);
                }
                _ => {}
            }
        }
    }
    Ok(measures)
}

fn duration(file: &mut BufReader<impl Read + Seek>, mvhd: &Section) -> io::Result<Option<f64>> {
    file.seek(SeekFrom::Start(mvhd.start))?;
    let [version, ..] = take::<4>(file)?;
    let (scale, duration) = if version == 1 {
        take::<16>(file)?;
        (u32::from_be_bytes(take(file)?), u64::from_be_bytes(take(file)?))
    } else {
        take::<8>(file)?;
        (u32::from_be_bytes(take(file)?), u64::from(u32::from_be_bytes(take(file)?)))
    };
    let is_unknown = scale == 0 || duration == u64::MAX || version == 0 && duration == u64::from(u32::MAX);
    Ok((!is_unknown).then(|| seconds(duration, scale)))
}

/// Width and height are the last eight bytes of a track's head, each with sixteen bits behind the point.
fn track_size(
    file: &mut BufReader<impl Read + Seek>,
    trak: &Section,
    length: u64,
) -> io::Result<Option<(u32, u32)>> {
    let boxes = sections(file, (trak.start, trak.end.min(length)), mp4_box);
    let Some(head) = boxes.iter().find(|one| one.name == *b"tkhd" && one.end >= one.start + 8) else {
        return Ok(None);
    };
    file.seek(SeekFrom::Start(head.end - 8))?;
    let size = (u32::from_be_bytes(take(file)?) >> 16, u32::from_be_bytes(take(file)?) >> 16);
    Ok(Some(size).filter(|(width, height)| *width > 0 && *height > 0))
}

/// A chunk of a RIFF file: its name, and the length of its content, which is filled up to an even number.
fn riff_chunk(file: &mut BufReader<impl Read + Seek>, _: u64) -> io::Result<Section> {
    let name = take(file)?;
    let length = u64::from(u32::from_le_bytes(take(file)?));
    let start = file.stream_position()?;
    Ok(Section { name, start, end: start + length + length % 2 })
}

fn wav_duration(content: impl Read + Seek) -> io::Result<Option<f64>> {
    let mut file = BufReader::with_capacity(HEAD_BYTES, content);
    let length = file.seek(SeekFrom::End(0))?;
    let chunks = sections(&mut file, (12, length), riff_chunk);
    let find = |name: &[u8; 4]| chunks.iter().find(|one| one.name == *name);
    let (Some(format), Some(data)) = (find(b"fmt "), find(b"data")) else {
        return Ok(None);
    };
    file.seek(SeekFrom::Start(format.start + 8))?;
    let bytes_a_second = u32::from_le_bytes(take(&mut file)?);
    let bytes = data.end.min(length).saturating_sub(data.start);
    Ok((bytes_a_second > 0).then(|| seconds(bytes, bytes_a_second)))
}

#[expect(clippy::cast_precision_loss, reason = "no film lasts so long that it would matter")]
fn seconds(count: u64, a_second: u32) -> f64 {
    count as f64 / f64::from(a_second)
}

/// The pages of a PDF, if they are told in plain sight.
fn pages(content: impl Read) -> Option<u32> {
    let mut bytes = Vec::new();
    content.take(MAX_PDF_BYTES + 1).read_to_end(&mut bytes).ok()?;
    if bytes.len() as u64 > MAX_PDF_BYTES {
        return None;
    }
    count_pages(&bytes)
}

/// The largest `/Count` of a `/Pages` object, since the root counts everything below it; or every `/Page`.
fn count_pages(pdf: &[u8]) -> Option<u32> {
    let (mut largest, mut single) = (None, 0);
    for object in objects(pdf) {
        match type_of(object) {
            Some(b"Pages") => largest = largest.max(number_behind(object, b"/Count")),
            Some(b"Page") => single += 1,
            _ => {}
        }
    }
    largest.or((single > 0).then_some(single))
}

/// What stands between `obj` and `endobj`, up to a stream in it.
fn objects(pdf: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = pdf;
    std::iter::from_fn(move || {
        let start = find(rest, b" obj")? + b" obj".len();
        let end = start + find(&rest[start..], b"endobj").unwrap_or(rest.len() - start);
        let object = &rest[start..end];
        rest = &rest[end..];
        Some(find(object, b"stream").map_or(object, |stream| &object[..stream]))
    })
}

/// The name behind `/Type`.
fn type_of(object: &[u8]) -> Option<&[u8]> {
    let name = behind(object, b"/Type")?.strip_prefix(b"/")?;
    let end = name.iter().position(|byte| !byte.is_ascii_alphanumeric()).unwrap_or(name.len());
    Some(&name[..end])
}

fn number_behind(object: &[u8], name: &[u8]) -> Option<u32> {
    let digits = behind(object, name)?;
    let end = digits.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(digits.len());
    std::str::from_utf8(&digits[..end]).ok()?.parse().ok()
}

/// What follows a name and the white space behind it.
fn behind<'a>(object: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    find(object, name).map(|start| object[start + name.len()..].trim_ascii_start())
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    memchr::memmem::find(bytes, wanted)
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_root_of_the_page_tree_counts_the_pages() {
        let tree = b"1 0 obj<</Type/Pages/Count 3/Kids[2 0 R 3 0 R]>>endobj\n2 0 obj\n<< /Type /Pages /Count 2 >>\nendobj";
        assert_eq!(count_pages(tree), Some(3));
        assert_eq!(count_pages(b"1 0 obj<</Type/Page>>endobj 2 0 obj<</Type /Page/X 1>>endobj"), Some(2));
        assert_eq!(count_pages(b"1 0 obj<</Length 9>>stream\n/Type/Page endstream endobj"), None);
        assert_eq!(count_pages(b"1 0 obj<</Type/Catalog>>endobj"), None);
    }

    proptest! {
        #[test]
        fn no_file_panics(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let mut film_bytes = b"\0\0\0\x40moov\0\0\0\x38trak\0\0\0\x30tkhd".to_vec();
            film_bytes.extend(&bytes);
            for bytes in [&bytes, &film_bytes] {
                let _ = film(Cursor::new(bytes));
                let _ = wav_duration(Cursor::new(bytes));
                let _ = count_pages(bytes);
            }
        }
    }
}
