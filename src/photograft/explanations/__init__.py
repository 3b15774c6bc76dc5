"""Why a classifier says what it says: where it looks, and which training photos are alike."""
