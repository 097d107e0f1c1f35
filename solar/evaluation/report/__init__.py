"""Reports: JSON, Markdown, pages."""
