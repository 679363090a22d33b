"""The features of a data set in one packed file, which all trials of a machine share."""
