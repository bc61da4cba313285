"""Pages for people who would rather look than read. Nothing outside imports this package; Streamlit runs `app.py`."""
