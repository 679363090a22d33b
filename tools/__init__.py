"""For those who work on this project: known vulnerabilities, licences, the browser, the pictures of the guides."""
