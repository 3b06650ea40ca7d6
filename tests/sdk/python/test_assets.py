"""Everything beside uploading: editing, listing, presets, folders."""

import io

import cloudinary
import cloudinary.api as api
import cloudinary.uploader as uploader
import pytest
from cloudinary import exceptions

from files import png

pytestmark = pytest.mark.usefixtures("sdk")


def store(public_id, **options):
    return uploader.upload(io.BytesIO(png()), public_id=public_id, **options)


def test_what_an_upload_says_comes_back_and_can_be_changed():
    api.add_metadata_field({"external_id": "m", "label": "M", "type": "string"})
    values = [{"external_id": item, "value": item} for item in "ab"]
    api.add_metadata_field({"external_id": "l", "label": "L", "type": "set", "datasource": {"values": values}})
    stored = store(
        "py/said", tags=["x", "y"], context={"k": "a=b|c"}, metadata={"m": "1", "l": ["a", "b"]}, moderation="manual",
        face_coordinates=[[1, 2, 3, 4]], custom_coordinates=(5, 6, 7, 8), eager=[{"width": 20, "crop": "scale"}],
        access_control=[{"access_type": "anonymous", "start": "2019-02-22T16:20:57Z"}],
    )
    assert (stored["tags"], stored["metadata"]) == (["x", "y"], {"m": "1", "l": ["a", "b"]})
    uploader.add_tag("z", ["py/said"])
    uploader.remove_tag("x", ["py/said"])
    uploader.add_context({"more": "1"}, ["py/said"])
    uploader.update_metadata({"m": "2"}, ["py/said"])
    api.update("py/said", moderation_status="approved")
    told = api.resource("py/said", coordinates=True)
    assert told["tags"] == ["y", "z"]
    assert told["context"]["custom"] == {"k": "a=b|c", "more": "1"}
    assert (told["metadata"]["m"], told["moderation"][0]["status"]) == ("2", "approved")
    assert told["coordinates"] == {"faces": [[1, 2, 3, 4]], "custom": [[5, 6, 7, 8]]}
    assert uploader.explicit("py/said", type="upload", tags="only")["tags"] == ["only"]


def test_assets_are_renamed_and_listed():
    for name in "abc":
        store(f"py/list/{name}", tags=["py-listed"], context={"py": name})
    uploader.rename("py/list/a", "py/list/z")
    with pytest.raises(exceptions.NotFound, match="Resource not found - py/list/a"):
        api.resource("py/list/a")
    with pytest.raises(exceptions.BadRequest, match="already exists"):
        uploader.rename("py/list/b", "py/list/z")
    found = [one["public_id"] for one in api.resources(type="upload", prefix="py/list/", direction="asc")["resources"]]
    assert sorted(found) == ["py/list/b", "py/list/c", "py/list/z"]
    assert len(api.resources_by_tag("py-listed")["resources"]) == 3
    assert len(api.resources_by_context("py", "b")["resources"]) == 1
    assert len(api.resources_by_ids(["py/list/b", "none"])["resources"]) == 1
    assert len(api.resources_by_asset_folder("py/list")["resources"]) == 3
    first = api.resources(type="upload", prefix="py/list/", max_results=2)
    second = api.resources(type="upload", prefix="py/list/", max_results=2, next_cursor=first["next_cursor"])
    assert (len(second["resources"]), "next_cursor" in second) == (1, False)
    assert "py-listed" in api.tags(prefix="py-")["tags"]
    assert api.delete_resources_by_tag("py-listed")["deleted"]["py/list/b"] == "deleted"


def test_a_preset_allows_uploads_without_a_signature():
    api.create_upload_preset(name="py", unsigned=True, folder="py/web", tags="p")
    assert api.upload_preset("py")["settings"]["tags"] == ["p"]
    stored = uploader.unsigned_upload(io.BytesIO(png()), "py", public_id="x", tags=["mine"])
    assert (stored["public_id"], stored["tags"]) == ("py/web/x", ["p", "mine"])
    api.delete_upload_preset("py")
    with pytest.raises(exceptions.BadRequest, match="Upload preset not found"):
        uploader.unsigned_upload(io.BytesIO(png()), "py")


def test_folders_are_made_renamed_and_removed():
    api.create_folder("py-made/deep")
    assert api.subfolders("py-made")["folders"] == [{"name": "deep", "path": "py-made/deep"}]
    api.rename_folder("py-made", "py-renamed")
    with pytest.raises(exceptions.NotFound, match="Can't find folder with path py-made"):
        api.subfolders("py-made")
    api.delete_folder("py-renamed")
    assert "py-renamed" not in [folder["path"] for folder in api.root_folders()["folders"]]


@pytest.mark.parametrize("option", ["ocr", "raw_convert", "categorization", "detection", "background_removal"])
def test_values_that_cannot_be_are_illegal(option):
    store("py/illegal")
    with pytest.raises(exceptions.BadRequest, match="Illegal value"):
        api.update("py/illegal", **{option: "illegal"})


def test_what_is_not_emulated_is_refused_in_so_many_words():
    for call in (api.triggers, cloudinary.Search().aggregate("format").execute, lambda: uploader.multi("a")):
        with pytest.raises(exceptions.BadRequest, match="Not emulated: "):
            call()
