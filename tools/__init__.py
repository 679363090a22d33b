"""For developers of this project: known vulnerabilities, licences, the browser, the screenshots of the guides."""
