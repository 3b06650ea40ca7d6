//! `countersign download-url`: a link to one stored original that dies after a while.

use clap::Args;

use super::output::Output;
use super::{Answer, Usage};
use crate::clock::{Clock, UnixSeconds};
use crate::config::{CloudinaryAccount, CloudinaryArgs};
use crate::delivery::{AssetAddress, DeliveryType, PublicId, ResourceType};
use crate::providers::cloudinary::{Link, LinkSigner};

const EXAMPLES: &str = "\
Examples:
  countersign download-url kyc/1/passport jpg
  countersign download-url kyc/1/contract.docx --resource-type raw --expires-in 600
  curl --location --output photo.jpg \"$(countersign download-url kyc/1/photo jpg --attachment)\"

The link works for everybody who has it until it expires, private and authenticated assets
included. The public id is named without its format, except for raw assets, whose ending is part
of the id. Whether the asset exists is not asked: the link of one that does not answers 404.";

/// What to link to.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(super) struct DownloadUrlCommand {
    /// Public id of the asset, folders included
    public_id: PublicId,
    /// Stored format, such as jpg; raw assets have none
    #[arg(value_parser = parse_format)]
    format: Option<String>,
    /// Delivery type: upload, private or authenticated
    #[arg(long = "type", value_name = "TYPE", default_value = "private", value_parser = parse_type)]
    delivery_type: DeliveryType,
    /// Resource type: image, video or raw
    #[arg(long, value_name = "TYPE", default_value = "image")]
    resource_type: ResourceType,
    /// How many seconds the link lives: at most 600, or 3600 with a second key for downloads
    #[arg(long, value_name = "SECONDS", default_value_t = 60, value_parser = clap::value_parser!(i64).range(1..=3_600))]
    expires_in: i64,
    /// Ask the browser to save the file
    #[arg(long)]
    attachment: bool,
    #[command(flatten, next_help_heading = "Account")]
    account: CloudinaryArgs,
}

pub(super) fn run(command: &DownloadUrlCommand) -> anyhow::Result<Answer> {
    let account = command.account.require()?;
    let url = command.sign(&account, Clock::system().now())?;
    let mut output = Output::stdout();
    output.line(url)?;
    output.finish()?;
    Ok(Answer::Yes)
}

impl DownloadUrlCommand {
    fn sign(&self, account: &CloudinaryAccount, now: UnixSeconds) -> Result<String, Usage> {
        let links = LinkSigner::new(account);
        let most = links.max_lifetime_seconds();
        if self.expires_in > most {
            return Err(Usage(format!(
                "--expires-in {} is too long: a link lives {most} s at most, or an hour with CLOUDINARY_DOWNLOAD_URL",
                self.expires_in
            )));
        }
        let asset = AssetAddress {
            resource_type: self.resource_type,
            delivery_type: self.delivery_type,
            public_id: self.public_id.clone(),
        };
        Ok(links.sign(&Link {
            asset: &asset,
            format: self.format_of_the_asset()?,
            attachment: self.attachment,
            expires_at: now.plus(self.expires_in),
        }))
    }

    /// Raw assets have no format: their ending is part of the public id.
    fn format_of_the_asset(&self) -> Result<&str, Usage> {
        match (self.format.as_deref(), self.resource_type) {
            (None, ResourceType::Image | ResourceType::Video) => {
                Err(Usage("FORMAT is missing, such as jpg; only raw assets have none".to_owned()))
            }
            (format, _) => Ok(format.unwrap_or_default()),
        }
    }
}

fn parse_format(text: &str) -> Result<String, &'static str> {
    let is_ending = (1..=10).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric());
    if is_ending { Ok(text.to_owned()) } else { Err("must be 1 to 10 letters and digits, such as jpg") }
}

fn parse_type(text: &str) -> Result<DeliveryType, &'static str> {
    let delivery_type = text.parse().ok().filter(|delivery_type: &DeliveryType| delivery_type.is_uploaded());
    delivery_type.ok_or("must be upload, private or authenticated")
}
