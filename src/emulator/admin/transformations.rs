//! `/transformations`: those with a name, and those that assets were uploaded with.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::extract::{Request, State};
use serde_json::{Value, json};

use super::super::answer::DerivedAnswer;
use super::super::fields::Fields;
use super::super::named::{Transformations, is_made_by, text_of};
use super::super::store::{Asset, Description};
use super::super::transformation;
use super::{Access, Admin, AdminJson, Algorithm, Backend, Refusal, page, read};

type Answer = Result<AdminJson<Value>, Refusal>;

/// A page of transformations; or, if one is named, everything about it.
pub(in crate::emulator) async fn show_transformations(
    State(backend): State<Arc<Backend>>,
    admin: Admin,
    request: Request,
) -> Answer {
    let fields = read(&backend, request).await?;
    let known = Known::of(&backend, &admin);
    if let Some(name) = fields.get("transformation") {
        return Ok(AdminJson::new(&backend, known.details(&backend, &admin, name)?));
    }
    let mut names = BTreeSet::new();
    if fields.flag("named") != Some(false) {
        names.extend(known.kept.names());
    }
    if fields.flag("named") != Some(true) {
        names.extend(known.kept.allowed().cloned());
        names.extend(known.assets.iter().flat_map(|asset| asset.description.derived.iter().map(text_of)));
    }
    let mut body = page::of_names("transformations", names.into_iter().collect(), &fields)?;
    let names = body["transformations"].take();
    let names = names.as_array().into_iter().flatten().filter_map(Value::as_str);
    body["transformations"] = names.map(|name| known.brief(name)).collect();
    Ok(AdminJson::new(&backend, body))
}

/// Keeps a transformation under a name.
pub(in crate::emulator) async fn create_transformation(
    State(backend): State<Arc<Backend>>,
    admin: Admin,
    request: Request,
) -> Answer {
    let fields = read(&backend, request).await?;
    let name = fields.require("name")?.to_owned();
    let chain = checked(fields.require("transformation")?)?;
    change(&backend, admin, "created", move |kept| kept.create(&name, chain)).await
}

/// Allows a transformation, or not; and gives a name another meaning.
pub(in crate::emulator) async fn update_transformation(
    State(backend): State<Arc<Backend>>,
    admin: Admin,
    request: Request,
) -> Answer {
    let fields = read(&backend, request).await?;
    let name = existing(&backend, &admin, &fields)?;
    let redefined = fields.get("unsafe_update").map(checked).transpose()?;
    let is_allowed = fields.flag("allowed_for_strict");
    let update = move |kept: &mut Transformations| {
        if let Some(chain) = redefined {
            kept.redefine(&name, chain)?;
        }
        if let Some(is_allowed) = is_allowed {
            kept.allow(&name, is_allowed);
        }
        Ok(())
    };
    change(&backend, admin, "updated", update).await
}

/// Forgets a transformation, and what was noted of it.
pub(in crate::emulator) async fn delete_transformation(
    State(backend): State<Arc<Backend>>,
    admin: Admin,
    request: Request,
) -> Answer {
    let fields = read(&backend, request).await?;
    let name = existing(&backend, &admin, &fields)?;
    for asset in admin.assets(&backend) {
        if asset.description.derived.iter().any(|derived| is_made_by(derived, &name)) {
            let name = name.clone();
            let forget =
                move |one: &mut Description| one.derived.retain(|derived| !is_made_by(derived, &name));
            backend.store.change(asset.key.clone(), forget).await?;
        }
    }
    change(&backend, admin, "deleted", move |kept| {
        kept.remove(&name);
        Ok(())
    })
    .await
}

/// What the cloud knows of transformations.
struct Known {
    kept: Transformations,
    assets: Vec<Arc<Asset>>,
}

impl Known {
    fn of(backend: &Backend, admin: &Admin) -> Self {
        let kept =
            backend.store.settings(|all| all.of(&admin.cloud).map(|cloud| cloud.transformations.clone()));
        Self { kept: kept.unwrap_or_default(), assets: admin.assets(backend) }
    }

    fn is_used(&self, name: &str) -> bool {
        let mut derived = self.assets.iter().flat_map(|asset| &asset.description.derived);
        derived.any(|one| is_made_by(one, name))
    }

    fn has(&self, name: &str) -> bool {
        self.kept.named(name).is_some() || self.kept.allowed().any(|one| one == name) || self.is_used(name)
    }

    fn brief(&self, name: &str) -> Value {
        let named = self.kept.named(name);
        let is_allowed =
            named.map_or_else(|| self.kept.allowed().any(|one| one == name), |named| named.is_allowed);
        json!({
            "name": name, "allowed_for_strict": is_allowed, "used": self.is_used(name), "named": named.is_some(),
        })
    }

    fn details(&self, backend: &Backend, admin: &Admin, name: &str) -> Result<Value, Refusal> {
        if !self.has(name) {
            return Err(not_found(name));
        }
        let mut details = self.brief(name);
        details["info"] =
            transformation::with_extension(self.kept.named(name).map_or(name, |named| &named.chain));
        let access = Access { account: &admin.account, algorithm: Algorithm::default() };
        let derived = self.assets.iter().flat_map(|asset| {
            let made = asset.description.derived.iter().filter(|derived| is_made_by(derived, name));
            made.map(move |derived| {
                let answer =
                    DerivedAnswer::new(asset, derived, &backend.origin(), access).with_id(&derived.id);
                let mut shown = serde_json::to_value(answer).unwrap_or_default();
                shown["public_id"] = asset.key.public_id.clone().into();
                shown["resource_type"] = json!(asset.key.resource_type);
                shown["type"] = json!(asset.key.delivery_type);
                shown
            })
        });
        details["derived"] = derived.collect();
        Ok(details)
    }
}

/// The transformation that a call names, which must be known.
fn existing(backend: &Backend, admin: &Admin, fields: &Fields) -> Result<String, Refusal> {
    let name = fields.require("transformation")?;
    if Known::of(backend, admin).has(name) { Ok(name.to_owned()) } else { Err(not_found(name)) }
}

/// Components with a format behind the last slash, if there is one.
fn checked(text: &str) -> Result<String, Refusal> {
    transformation::check(transformation::without_format(text))?;
    Ok(text.to_owned())
}

fn not_found(name: &str) -> Refusal {
    Refusal::CannotFind { kind: "transformation", name: name.to_owned() }
}

async fn change(
    backend: &Backend,
    admin: Admin,
    message: &str,
    change: impl FnOnce(&mut Transformations) -> Result<(), Refusal> + Send + 'static,
) -> Answer {
    let outcome =
        backend.store.change_settings(move |all| change(&mut all.of_mut(&admin.cloud).transformations));
    outcome.await??;
    Ok(AdminJson::new(backend, json!({ "message": message })))
}
