"""A storage for the SDK's cache that keeps everything in memory."""

from cloudinary.cache.storage.key_value_storage import KeyValueStorage


class DummyCacheStorage(KeyValueStorage):
    """Forgets everything with the process."""

    def __init__(self):
        self._kept = {}

    def get(self, key):
        return self._kept.get(key)

    def set(self, key, value):
        self._kept[key] = value
        return True

    def delete(self, key):
        self._kept.pop(key, None)
        return True

    def clear(self):
        self._kept.clear()
        return True
